"""Sources, a decoder and a sink for edge_infer: the least that each needs."""

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from edge_infer.decode.decoder import Decoder
from edge_infer.deliver.sink_kind import PluggedSink, SinkKind
from edge_infer.kinds.kind import Kind, Recipe, Shape
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.sources.source_kind import PluggedSource, SourceKind
from edge_infer.types import Array, Frame, Geometry, Measurements, Result, Span, TensorSpec
from edge_infer.wire.results import to_wire


# A source: `source: {kind: pattern, uri: bars, frames: 100}`, or open_source("pattern:bars", frames=100)
class PatternSettings(PluggedSource, frozen=True, kw_only=True, tag="pattern"):
    """Pictures that are made up."""

    uri: Annotated[str, Meta(pattern="^(bars|grey)$", description="bars or grey")] = "bars"
    size: Annotated[tuple[int, int], Meta(description="width, height")] = (320, 240)
    frames: Annotated[int, Meta(ge=1, description="end after so many")] = 10


class PatternSource(BaseSource):
    """As many pictures as are wanted, each one brighter than the one before."""

    def __init__(self, settings: PatternSettings, name: str) -> None:
        super().__init__(name, live=False)
        self._settings = settings
        self._next = 0

    def read(self) -> Frame:
        if self._next >= self._settings.frames:
            raise EndOfStream
        number, self._next = self._next, self._next + 1
        width, height = self._settings.size
        picture = np.full((height, width, 3), number % 256, np.uint8)
        if self._settings.uri == "bars":
            picture[:, ::2] = 255
        return Frame(self.name, number, picture, *clocks())

    def close(self) -> None:
        self._next = self._settings.frames


PATTERN = SourceKind(PatternSettings, PatternSource)


# A source of samples: `source: {kind: pendulum, rate_hz: 50}`, or open_source("pendulum:", rate_hz=50)
class PendulumSettings(PluggedSource, frozen=True, kw_only=True, tag="pendulum"):
    """Readings of a pendulum that is not there."""

    rate_hz: Annotated[float, Meta(gt=0.0, description="readings a second")] = 10.0
    seconds: Annotated[float, Meta(gt=0.0, description="end after so many")] = 20.0


class PendulumSource(BaseSource):
    """A block for each second: `(samples, channels) float32`, and the span that says which samples these are."""

    def __init__(self, settings: PendulumSettings, name: str) -> None:
        super().__init__(name, live=False)
        self._rate_hz = settings.rate_hz
        self._left = math.floor(settings.seconds * settings.rate_hz)
        self._start = self._number = 0

    def read(self) -> Frame:
        count = min(self._left, math.ceil(self._rate_hz))
        if not count:
            raise EndOfStream
        times = (self._start + np.arange(count)) / self._rate_hz
        data = np.stack([np.sin(times), np.cos(times)], axis=1).astype(np.float32)
        span = Span(self._start, count, self._rate_hz, ("angle", "speed"), ("rad", "rad/s"))
        frame = Frame(self.name, self._number, data, *clocks(), span=span, media_s=span.end / self._rate_hz)
        self._start, self._number, self._left = span.end, self._number + 1, self._left - count
        return frame

    def close(self) -> None:
        self._left = 0


PENDULUM = SourceKind(PendulumSettings, PendulumSource)


# A decoder: `decode: {kind: largest}`, or load(..., kind="largest")
class LargestDecoder:
    """The largest value of each output of any model."""

    task = "regress"

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        self._specs = tuple(specs)
        self._names = tuple(spec.name or f"output_{i}" for i, spec in enumerate(specs))

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Measurements:
        values = [spec.real(output).max() for spec, output in zip(self._specs, outputs, strict=True)]
        return Measurements(np.array(values, np.float32), self._names, ("",) * len(values))


def build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    return LargestDecoder(specs)


# `recognise` is left out: nothing in a file tells that somebody wants this
LARGEST = Kind(name="largest", task="regress", summary="the largest value of each output", build=build)


# A sink: `sinks: [{kind: files, folder: results}]`
class FilesSettings(PluggedSink, frozen=True, kw_only=True, tag="files"):
    """Each result as a JSON file."""

    folder: Path


class FilesSink:
    """Writes 0.json, 1.json and on into a folder."""

    def __init__(self, settings: FilesSettings) -> None:
        self._folder = settings.folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._taken = 0
        self._lock = threading.Lock()

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        with self._lock:
            (self._folder / f"{self._taken}.json").write_bytes(msgspec.json.encode(to_wire(result)))
            self._taken += 1
            return self._taken

    def close(self) -> int:
        return 0


FILES = SinkKind(FilesSettings, FilesSink)
