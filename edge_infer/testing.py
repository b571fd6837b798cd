"""What holds for every source, runtime, decoder and sink: checks for those who write their own.

Each is a plain function for any test framework; it opens the thing, tries it, closes it, and raises AssertionError with
what was found where something else was expected.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

import msgspec
import numpy as np

from edge_infer.decode.decoder import Decoder
from edge_infer.deliver.sink import Sink
from edge_infer.errors import EdgeInferError, ModelError, SourceError
from edge_infer.runtime.fake import FakeRuntime
from edge_infer.runtime.runtime import Runtime
from edge_infer.sources.source import EndOfStream, Source
from edge_infer.types import (
    Array,
    Classes,
    Detections,
    Frame,
    Geometry,
    Mask,
    ModelId,
    Prediction,
    Result,
    Span,
    Tensors,
)
from edge_infer.wire.result_payloads import WireResult
from edge_infer.wire.results import to_wire

__all__ = ["FakeRuntime", "check_decoder", "check_runtime", "check_sink", "check_source", "example_results"]

FRAMES = 3
THREADS, EACH = 3, 10


def check_source(open_source: Callable[[], Source]) -> None:
    """A source that gives at least three frames within its own timeouts: pictures, or blocks of samples."""
    before_ns = time.monotonic_ns()
    source = open_source()
    frames = [source.read() for _ in range(FRAMES)]
    for frame in frames:
        _check_frame(frame, source, before_ns)
    numbers = [frame.number for frame in frames]
    _expect(numbers == sorted(set(numbers)), f"frame numbers {numbers} do not rise")
    times = [frame.captured_ns for frame in frames]
    _expect(times == sorted(times), "captured_ns goes backwards")
    _expect(
        source.live or numbers[-1] < FRAMES + source.skipped.total(),
        f"a file leaves out frames without counting them in `skipped`: numbers {numbers}, {dict(source.skipped)}",
    )
    for one, other in pairwise(frames):
        _check_following(one, other)
    shared = any(np.shares_memory(one.data, other.data) for one, other in pairwise(frames))
    _expect(not shared, "frames share memory: the next one changes the last")
    source.close()
    source.close()
    _expect(_is_over(source), "a closed source still gives frames")


def _check_frame(frame: Frame, source: Source, before_ns: int) -> None:
    data, span = frame.data, frame.span
    if span is None:
        _expect(
            data.dtype == np.uint8 and data.ndim == 3 and data.shape[2] == 3 and 0 not in data.shape,
            f"a frame is {data.shape} {data.dtype}, expected (height, width, 3) uint8",
        )
    else:
        _check_block(data, span)
    _expect(frame.source == source.name, f"a frame is of '{frame.source}', its source is '{source.name}'")
    _expect(
        source.live or before_ns <= frame.captured_ns, f"frame {frame.number} is dated before the source was opened"
    )
    _expect(frame.captured_ns <= time.monotonic_ns(), f"frame {frame.number} is dated in the future")


def _check_block(data: Array, span: Span) -> None:
    expected = (span.samples, len(span.channels))
    _expect(
        data.dtype == np.float32 and data.shape == expected and 0 not in expected,
        f"a block of samples is {data.shape} {data.dtype}, its span says {expected} float32",
    )
    _expect(span.start >= 0 and span.rate_hz >= 0, f"a block begins at sample {span.start}, at {span.rate_hz} Hz")
    _expect(
        span.rate_hz or span.samples == 1,
        f"a block of {span.samples} rows without a rate: rows that come when they come are one a block, with its time",
    )
    _expect(len(span.units) in (0, len(span.channels)), f"{len(span.units)} units for {len(span.channels)} channels")
    _expect(len(set(span.channels)) == len(span.channels), f"channels have the same name: {', '.join(span.channels)}")


def _check_following(one: Frame, other: Frame) -> None:
    """Two frames, one after the other."""
    _expect((one.media_s is None) == (other.media_s is None), "only some frames say where they stand in a recording")
    _expect(
        one.media_s is None or other.media_s is None or one.media_s <= other.media_s,
        f"media_s goes backwards: {one.media_s}, then {other.media_s}",
    )
    _expect((one.span is None) == (other.span is None), "some frames are pictures, others samples")
    if one.span is None or other.span is None:
        return
    same = (one.span.rate_hz, one.span.channels, one.span.units) == (
        other.span.rate_hz,
        other.span.channels,
        other.span.units,
    )
    _expect(same, f"rate, channels or units change: {one.span}, then {other.span}")
    _expect(
        other.span.start >= one.span.end or other.span.start < one.span.start,
        f"blocks overlap: samples {one.span.start} to {one.span.end}, then from {other.span.start} on "
        "(a source that begins anew counts from 0 again)",
    )


def _is_over(source: Source) -> bool:
    try:
        source.read()
    except (EndOfStream, SourceError):
        return True
    return False


def check_runtime(open_runtime: Callable[[], Runtime], inputs: Sequence[Array]) -> None:
    """A runtime that answers the same to the same inputs; `inputs` are stored values that fit the model."""
    runtime = open_runtime()
    given = [value.copy() for value in inputs]
    first = runtime.run(inputs)
    kept = [output.copy() for output in first]
    runtime.run([np.zeros_like(value) for value in inputs])
    _expect(_equal(given, inputs), "run changed its inputs")
    _expect(_equal(first, kept), "the next run changed the outputs of the last: give copies")
    _expect(_equal(runtime.run(inputs), kept), "the same inputs gave other outputs")
    reduced = runtime.run(inputs, {0: lambda output: np.array([output.size])})
    _expect(_equal(reduced, [np.array([kept[0].size]), *kept[1:]]), "an output is not given as `reduce` makes it")
    _expect(len(first) == len(runtime.outputs), f"run gives {len(first)} outputs, announced are {len(runtime.outputs)}")
    for spec, output in zip(runtime.outputs, first, strict=True):
        _expect(
            output.dtype == spec.dtype and spec.shape in ((), output.shape),
            f"output '{spec.name}' is {output.shape} {output.dtype}, announced as {spec.shape} {spec.dtype}",
        )
    wrong = {
        "another shape": [value[..., None] for value in inputs],
        "another type": [value.astype(np.complex64) for value in inputs],
        "one too few": inputs[1:],
        "one too many": [*inputs, inputs[0]],
    }
    for what, values in wrong.items():
        _expect(_refuses(runtime, values), f"inputs of {what} are not refused with ModelError")
    _expect(_equal(runtime.run(inputs), kept), "after a refusal the answers are others")
    runtime.close()
    runtime.close()
    _expect(_refuses(runtime, inputs), "a closed runtime does not refuse with ModelError")


def _refuses(runtime: Runtime, inputs: Sequence[Array]) -> bool:
    try:
        runtime.run(inputs)
    except ModelError:
        return True
    return False


def _equal(some: Sequence[Array], others: Sequence[Array]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


def check_decoder(make_decoder: Callable[[], Decoder], outputs: Sequence[Array], geometry: Geometry) -> None:
    """A decoder that says the same about the same outputs; `outputs` are those of a model for a frame."""
    decoder = make_decoder()
    given = [output.copy() for output in outputs]
    prediction = decoder(given, geometry)
    said = _said(decoder, prediction, geometry)
    _expect(_equal(given, outputs), "the decoder changed the outputs")
    with suppress(EdgeInferError):
        decoder([np.zeros_like(output) for output in outputs], geometry)  # which must not be remembered
    for again in (decoder, make_decoder()):
        repeated = _said(again, again([output.copy() for output in outputs], geometry), geometry)
        _expect(repeated == said, f"the same outputs gave another prediction: {said!r}, then {repeated!r}")
    _check_prediction(prediction, geometry)


def _said(decoder: Decoder, prediction: Prediction, geometry: Geometry) -> bytes:
    """What subscribers would get."""
    frame = Frame("example", 0, np.zeros((*geometry.frame_size[::-1], 3), np.uint8), 0.0, 0)
    model = ModelId("example", "1.0.0", "00")
    result = Result.of(frame, task=decoder.task, model=model, device="fake", prediction=prediction)
    return msgspec.json.encode(to_wire(result))


def _check_prediction(prediction: Prediction, geometry: Geometry) -> None:
    width, height = geometry.frame_size
    if isinstance(prediction, Classes | Detections):
        scores = prediction.scores
        _expect(bool(np.all((scores >= 0) & (scores <= 1))), f"scores do not lie in 0..1: {scores}")
        _expect(bool(np.all(scores[:-1] >= scores[1:])), f"the best does not come first: {scores}")
    if isinstance(prediction, Detections):
        x0, y0, x1, y1 = prediction.boxes.T
        inside = (x0 >= 0) & (y0 >= 0) & (x0 <= x1) & (y0 <= y1) & (x1 <= width) & (y1 <= height)
        _expect(bool(np.all(inside)), f"boxes do not lie in the frame of {width}x{height}: {prediction.boxes.tolist()}")
    if isinstance(prediction, Mask):
        shape = prediction.class_map.shape
        _expect(shape == (height, width), f"the mask has shape {shape}, the frame {(height, width)}")


def check_sink(open_sink: Callable[[], Sink], read_back: Callable[[], Sequence[WireResult]]) -> None:
    """A sink that starts empty; `read_back` gives what got through, after it was closed."""
    sink = open_sink()
    results = example_results()
    taken = [sink.publish(result) for result in results]
    _expect(taken == list(range(1, len(results) + 1)), f"publish returned {taken}, expected how many were taken")

    def publish_some() -> None:
        for _ in range(EACH):
            sink.publish(results[0], "crowd")

    crowd = [threading.Thread(target=publish_some) for _ in range(THREADS)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    lost = sink.close()
    _expect(lost == 0, f"close says that {lost} results did not get through")
    _expect(sink.close() == 0, "closing again says something else")
    found = list(read_back())
    expected = [to_wire(result) for result in results]
    _expect(found[: len(results)] == expected, f"read back {found[: len(results)]}, published {expected}")
    rest = len(found) - len(results)
    _expect(rest == EACH * THREADS, f"{rest} of {EACH * THREADS} results got through that several threads published")


def example_results() -> list[Result]:
    """One result of each kind: with an answer, with nothing seen, without an answer."""

    def result(number: int, prediction: Detections | Tensors | None, error: str | None = None) -> Result:
        return Result(
            source="example",
            number=number,
            captured_at=1_700_000_000.0 + number,
            captured_ns=number,
            size=(640, 480),
            task="detect",
            model=ModelId("example", "1.0.0", "00"),
            device="fake",
            prediction=prediction,
            status="error" if error else "ok",
            error=error,
            timings_ms={"infer": 1.5},
            dropped={"overrun": 2},
        )

    boxes, none = np.array([[1, 2, 3, 4]], np.float32), np.zeros((0, 4), np.float32)
    return [
        result(0, Detections(boxes, np.array([0.5], np.float32), np.array([7]), ("größer",))),
        result(1, Detections(none, none[:, 0], np.zeros(0, int), ())),
        result(2, Tensors({"heat": np.array([0.25, 0.5], np.float32)})),
        result(3, None, "the accelerator failed"),
    ]


def _expect(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)
