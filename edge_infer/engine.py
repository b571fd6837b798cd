"""One model file on one runtime, ready to be asked about frames."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.model_file import ModelFile
from edge_infer.decode.decoder import Decoder
from edge_infer.feeding import Feeder
from edge_infer.kinds.kind import Recipe
from edge_infer.kinds.registry import kind_of
from edge_infer.recipe import make_recipe
from edge_infer.runtime.runtime import NO_REDUCTION, Runtime
from edge_infer.types import Frame, ModelId, Result


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

    @classmethod
    def of(cls, use: Use, file: ModelFile, runtime: Runtime, warm_shapes: Sequence[tuple[int, ...]]) -> "Engine":
        """An engine for a file that the runtime has loaded; `warm_shapes` are those of the outputs of a run.

        Raises:
            ModelError: it cannot be known what the model does.
        """
        recipe = make_recipe(use.bundle, file, use.prepare, use.decode, use.labels)
        feeder = Feeder(runtime.inputs, runtime.outputs, recipe.prepare, recipe.inputs, recipe.state)
        decoder = kind_of(recipe.kind).build(recipe, runtime.outputs, warm_shapes)
        return cls(use.bundle.id_of(file.path, file.sha256), recipe, runtime, feeder, decoder)

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
        outputs = self.runtime.run(tensors, getattr(self.decode, "reduce", NO_REDUCTION))
        self.feed.keep(outputs)
        inferred = time.perf_counter()
        prediction = self.decode(outputs, geometry)
        decoded = time.perf_counter()
        return Result.of(
            frame,
            task=self.recipe.task,
            model=self.id,
            device=self.runtime.device,
            prediction=prediction,
            timings_ms={
                "prepare": (prepared - started) * 1e3,
                "infer": (inferred - prepared) * 1e3,
                "decode": (decoded - inferred) * 1e3,
            },
        )
