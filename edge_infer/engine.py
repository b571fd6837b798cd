"""One model file on one runtime, ready to be asked about frames."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.model_file import ModelFile
from edge_infer.decode.decoder import Decoder
from edge_infer.feeding import Feeder
from edge_infer.kinds.kind import Recipe
from edge_infer.kinds.registry import kind_of
from edge_infer.recipe import make_recipe
from edge_infer.runtime.runtime import NO_REDUCTION, Reduce, Runtime
from edge_infer.types import Array, Frame, ModelId, Result


@dataclass(frozen=True)
class Use:
    """How a model is to be used, wherever it runs."""

    bundle: Bundle
    prepare: Prepare
    decode: Decode
    labels: Path | Sequence[str] | None


@dataclass(frozen=True)
class Engine:
    """Preparation, runtime and decoder joined."""

    id: ModelId
    recipe: Recipe
    runtime: Runtime
    feed: Feeder
    decode: Decoder
    reduce: Mapping[int, Reduce]

    @classmethod
    def of(cls, use: Use, file: ModelFile, runtime: Runtime, warm_shapes: Sequence[tuple[int, ...]]) -> "Engine":
        """An engine for a file that the runtime has loaded; `warm_shapes` are those of the outputs of a run.

        Raises:
            ModelError: it cannot be known what the model does.
        """
        recipe = make_recipe(use.bundle, file, use.prepare, use.decode, use.labels)
        feeder = Feeder(runtime.inputs, runtime.outputs, recipe.prepare, recipe.inputs, recipe.state)
        specs = [runtime.outputs[place] for place in recipe.places]
        shapes = [warm_shapes[place] for place in recipe.places]
        decoder = kind_of(recipe.kind).build(recipe, specs, shapes)
        reductions = getattr(decoder, "reduce", NO_REDUCTION)
        reduce = {recipe.places[place]: _sound(act) for place, act in reductions.items()}
        return cls(use.bundle.id_of(file.path, file.sha256), recipe, runtime, feeder, decoder, reduce)

    def answer(self, frame: Frame) -> Result:
        """The result for one frame, with the time of each stage.

        Raises:
            InputError: the frame is not what the model takes.
            ModelError: the runtime failed.
            DelegateError: the accelerator failed.
        """
        started = time.perf_counter()
        tensors, geometry = self.feed(frame)
        prepared = time.perf_counter()
        outputs = self.runtime.run(tensors, self.reduce)
        self.feed.keep(outputs)
        inferred = time.perf_counter()
        said = [outputs[place] for place in self.recipe.places]
        nonsense = self._nonsense(outputs, said)
        if nonsense:
            self.feed.forget()  # a state that is no number would stay none
            nonsense = nonsense if self.recipe.task != "tensors" else None  # which are given as they are
        prediction = None if nonsense else self.decode(said, geometry)
        decoded = time.perf_counter()
        return Result.of(
            frame,
            task=self.recipe.task,
            model=self.id,
            device=self.runtime.device,
            prediction=prediction,
            status="error" if nonsense else "ok",
            error=nonsense,
            timings_ms={
                "prepare": (prepared - started) * 1e3,
                "infer": (inferred - prepared) * 1e3,
                "decode": (decoded - inferred) * 1e3,
            },
        )

    def _nonsense(self, outputs: Sequence[Array], said: Sequence[Array]) -> str | None:
        """What is wrong with outputs that no decoder can make sense of."""
        meant = getattr(self.decode, "meant", list)(said)  # the rest may be memory that nobody has written
        fed_back = [place for place in range(len(outputs)) if place not in self.recipe.places]
        for place, output in [*zip(self.recipe.places, meant, strict=True), *((at, outputs[at]) for at in fed_back)]:
            if has_nan(output):
                name = self.runtime.outputs[place].name
                return f"the model's output '{name}' is not a number (NaN): its weights or its input are broken"
        return None


def has_nan(values: Array) -> bool:
    """True where one of them is not a number: their minimum is none then, and faster to find than asking each."""
    return values.dtype.kind == "f" and values.size > 0 and bool(np.isnan(values.min()))


def _sound(reduce: Reduce) -> Reduce:
    """The same, but what is not a number stays none: a reduction would hide it."""

    def act(stored: Array) -> Array:
        return np.array(np.nan, np.float32) if has_nan(stored) else reduce(stored)

    return act
