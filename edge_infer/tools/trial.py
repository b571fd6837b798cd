"""One try of a pipeline's model and of its source, as `check` and `doctor` do it."""

import time
from collections import Counter
from dataclasses import dataclass

import msgspec

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.errors import InputError, ModelError, SourceError
from edge_infer.golden import golden_problems
from edge_infer.model import Model
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.prepare.samples import columns_of
from edge_infer.registry import load_model, make_source
from edge_infer.sources.rates import converter
from edge_infer.sources.source import EndOfStream
from edge_infer.tools.noise import noise_frame
from edge_infer.types import Frame, Span, Wanted

RUNS = 10  # inferences to take the median of, and at most SECONDS of them
SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """It works, as `detail` says.

    Attributes:
        trouble: what is wrong all the same
        wanted: the windows that a model takes; None: pictures
    """

    detail: str
    trouble: str | None = None
    wanted: Wanted | None = None


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


def source_trial(pipeline: PipelineSettings, model: Trial | None = None) -> Trial:
    """Open a source and take one frame, which has to be what the `model` takes, where that is known.

    Raises:
        EdgeInferError: there is none, or it is something else.
    """
    with make_source(pipeline.source) as source:
        started = time.monotonic()
        try:
            frame = source.read()
        except EndOfStream as error:
            raise SourceError(f"{source.name} has no frame") from error
        if model:
            _see_that_it_fits(frame, model.wanted)
        return Trial(f"{source.name} gives {_shape(frame)}, first frame after {time.monotonic() - started:.1f} s")


def _see_that_it_fits(frame: Frame, wanted: Wanted | None) -> None:
    if wanted:
        converter(frame, wanted, Counter())
        if frame.span:
            _see_that_channels_fit(frame.span, wanted, frame.source)
    elif frame.span:
        raise InputError(f"{frame.source} gives samples (sound, or readings of sensors), and the model takes pictures")


def _see_that_channels_fit(span: Span, wanted: Wanted, source: str) -> None:
    mixed = wanted.sound and wanted.channels == 1
    if wanted.names:
        columns_of(wanted.names, span, source)
    elif len(span.channels) != wanted.channels and not mixed:
        raise InputError(
            f"{source} has {len(span.channels)} channels ({', '.join(span.channels)}), and the model takes "
            f"{wanted.channels}: name those that it takes, prepare: {{channels: [...]}}"
        )


def _shape(frame: Frame) -> str:
    """How large a picture is, or what a block of samples holds."""
    if frame.span is None:
        return f"{frame.size[0]}x{frame.size[1]}"
    rate = f", {frame.span.rate_hz:g} a second" if frame.span.rate_hz else ""
    return f"samples of {len(frame.span.channels)} channels ({', '.join(frame.span.channels)}){rate}"


def _as_bundled(pipeline: PipelineSettings) -> PipelineSettings:
    """The model as its bundle says: a region or threshold of this pipeline's own is none of its golden test's."""
    model = msgspec.structs.replace(pipeline.model, labels=None)
    return msgspec.structs.replace(pipeline, model=model, prepare=Prepare(), decode=Decode())


def _timed(model: Model, proof: str) -> Trial:
    ms = _median_ms(model)
    took = f"{ms:.{1 if ms >= 1 else 3}f} ms a frame"
    detail = f"{model.id}, {model.task}, on {model.device} with {model.runtime.library}, {proof}, {took}"
    fallback = f"; {model.fallback_reason}" if model.fallback_reason else ""
    return Trial(detail + fallback, model.fallback_reason if model.status == "degraded" else None, model.wanted)


def _median_ms(model: Model) -> float:
    frame = noise_frame(model)
    times: list[float] = []
    while len(times) < RUNS and sum(times) < SECONDS * 1e3:
        times.append(sum(model.predict(frame).timings_ms.values()))
    return sorted(times)[len(times) // 2]
