"""One try of a pipeline's model and of its source, as `check` and `doctor` do it."""

import time
from dataclasses import dataclass
from math import ceil

import msgspec
import numpy as np

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.errors import ModelError, SourceError
from edge_infer.golden import golden_problems
from edge_infer.model import Model
from edge_infer.registry import load_model, make_source
from edge_infer.settings import PipelineSettings
from edge_infer.sources.source import EndOfStream

RUNS = 10  # inferences to take the median of, and at most SECONDS of them
SECONDS = 1.0
SIZE = (640, 480)  # width, height of the frame that is timed: what a camera gives most often


@dataclass(frozen=True, slots=True)
class Trial:
    """It works, as `detail` says; `trouble` is what is wrong all the same."""

    detail: str
    trouble: str | None = None


def model_trial(pipeline: PipelineSettings) -> Trial:
    """Load a model, hold it to its golden test, and time it.

    Raises:
        EdgeInferError: it cannot be used.
    """
    bundle = open_bundle(pipeline.model.path)
    bundled = _as_bundled(pipeline) if bundle.golden else pipeline
    with load_model(bundled) as model:
        problems = golden_problems(bundle, model)
        if problems:
            raise ModelError(f"{model.id} does not do what its golden test expects: {'; '.join(problems)}")
        proof = "no golden test" if problems is None else "golden test passed"
        if bundled == pipeline:
            return _timed(model, proof)
    with load_model(pipeline) as model:
        return _timed(model, proof)


def source_trial(pipeline: PipelineSettings) -> Trial:
    """Open a source and take one frame.

    Raises:
        EdgeInferError: there is none.
    """
    with make_source(pipeline.source) as source:
        started = time.monotonic()
        try:
            frame = source.read()
        except EndOfStream as error:
            raise SourceError(f"{source.name} has no frame") from error
        width, height = frame.size
        return Trial(f"{source.name} gives {width}x{height}, first frame after {time.monotonic() - started:.1f} s")


def _as_bundled(pipeline: PipelineSettings) -> PipelineSettings:
    """The model as its bundle says: a region or threshold of this pipeline's own is none of its golden test's."""
    model = msgspec.structs.replace(pipeline.model, labels=None)
    return msgspec.structs.replace(pipeline, model=model, prepare=Prepare(), decode=Decode())


def _timed(model: Model, proof: str) -> Trial:
    took = f"{_median_ms(model):.1f} ms a frame"
    detail = f"{model.id}, {model.task}, on {model.device} with {model.runtime.library}, {proof}, {took}"
    fallback = f"; {model.fallback_reason}" if model.fallback_reason else ""
    return Trial(detail + fallback, model.fallback_reason if model.status == "degraded" else None)


def _median_ms(model: Model) -> float:
    right, bottom = (model.recipe.prepare.roi or (0, 0, 0, 0))[2:]  # a region must lie in the frame
    frame = np.zeros((max(SIZE[1], ceil(bottom)), max(SIZE[0], ceil(right)), 3), np.uint8)
    times: list[float] = []
    while len(times) < RUNS and sum(times) < SECONDS * 1e3:
        times.append(sum(model(frame).timings_ms.values()))
    return sorted(times)[len(times) // 2]
