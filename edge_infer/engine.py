"""One model file on one runtime, ready to be asked about frames."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeGuard

import numpy as np

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.model_file import ModelFile
from edge_infer.decode.decoder import Decoder
from edge_infer.errors import DelegateError, ModelError
from edge_infer.feeding import Feeder, Prepared
from edge_infer.kinds.kind import Recipe
from edge_infer.kinds.registry import kind_of
from edge_infer.recipe import make_recipe
from edge_infer.runtime.runtime import NO_REDUCTION, Memory, Reduce, Runtime
from edge_infer.types import Array, Frame, Geometry, ModelId, Result

FEW = 400  # numbers that Python adds up sooner
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Said(Protocol):
    """What a model has said about a frame, not decoded yet; to be called once, by any thread."""

    def __call__(self, before: Mapping[str, float] = NOTHING, dropped: Mapping[str, int] = NOTHING) -> Result:
        """The result, with how long stages `before` took (ms), and frames `dropped` since the last, by cause."""


def finished(result: Result) -> Said:
    """What has become a result already."""

    def said(before: Mapping[str, float] = NOTHING, dropped: Mapping[str, int] = NOTHING) -> Result:
        return replace(result, timings_ms={**before, **result.timings_ms}, dropped=dropped)

    return said


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
        feeder.forgets_with([part for part in (runtime, decoder) if _remembers(part)])
        reductions = getattr(decoder, "reduce", NO_REDUCTION)
        reduce = {recipe.places[place]: _sound(act) for place, act in reductions.items()}
        return cls(use.bundle.id_of(file.path, file.sha256), recipe, runtime, feeder, decoder, reduce)

    def ask(self, frame: Frame, prepared: Prepared | None = None) -> Said:
        """Let the runtime look at a frame; what it has said is decoded by whoever calls that, once.

        Raises:
            InputError: the frame is not what the model takes.
            ModelError: the runtime failed.
            DelegateError: the accelerator failed.
        """
        started = time.perf_counter()
        tensors, geometry = self.feed(frame, prepared)
        ready = time.perf_counter()
        try:
            outputs = self.runtime.run(tensors, self.reduce)
        except (DelegateError, ModelError):
            if frame.span or _remembers(self.runtime):  # else pictures are fed back, of which some may be missing
                self.feed.forget()
            raise
        prepare_ms = (ready - started) * 1e3 + (prepared.ms if prepared else 0.0)
        infer_ms = (time.perf_counter() - ready) * 1e3
        if self.feed.remembers:
            self.feed.keep(outputs)
        said = partial(self._answer, frame, outputs, geometry, prepare_ms, infer_ms, self.runtime.device)
        return finished(said()) if self.feed.remembers else said

    def _answer(
        self,
        frame: Frame,
        outputs: Sequence[Array],
        geometry: Geometry,
        prepare_ms: float,
        infer_ms: float,
        device: str,
        before: Mapping[str, float] = NOTHING,
        dropped: Mapping[str, int] = NOTHING,
    ) -> Result:
        started = time.perf_counter()
        said = [outputs[place] for place in self.recipe.places]
        nonsense = self._nonsense(outputs, said)
        if nonsense:
            if self.feed.remembers:
                self.feed.forget()  # a state that is no number would stay none
            nonsense = nonsense if self.recipe.task != "tensors" else None  # which are given as they are
        prediction = None if nonsense else self.decode(said, geometry)
        decode_ms = (time.perf_counter() - started) * 1e3
        return Result.of(
            frame,
            task=self.recipe.task,
            model=self.id,
            device=device,
            prediction=prediction,
            status="error" if nonsense else "ok",
            error=nonsense,
            timings_ms={**before, "prepare": prepare_ms, "infer": infer_ms, "decode": decode_ms},
            dropped=dropped,
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


def _remembers(part: object) -> TypeGuard[Memory]:
    return getattr(part, "remembers", False) is True


def has_nan(values: Array) -> bool:
    """True where one of them is not a number: their minimum is none then, and faster to find than asking each."""
    if values.dtype.kind != "f" or not values.size:
        return False
    # numpy's code is cold after a model has run (measured: 160 us instead of 9); infinities may add up to NaN, too
    if values.size <= FEW and not math.isnan(sum(values.reshape(-1).tolist())):
        return False
    return bool(np.isnan(values.min()))


def _sound(reduce: Reduce) -> Reduce:
    """The same, but what is not a number stays none: a reduction would hide it."""

    def act(stored: Array) -> Array:
        return np.array(np.nan, np.float32) if has_nan(stored) else reduce(stored)

    return act
