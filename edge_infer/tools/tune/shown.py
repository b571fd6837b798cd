"""What models are asked about while they are measured: frames of their own source, which runs meanwhile, or noise."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from edge_infer.errors import EdgeInferError, SourceError
from edge_infer.model import Model
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import make_source
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.sources.windows import Windows
from edge_infer.tools.noise import noise_frame
from edge_infer.types import Frame

RING = 8  # frames of a file, or of noise, shown in turn: what drivers keep for a camera is 4 to 8
FIRST_S = 10.0  # for the first frame of a live source
STOP_S = 3.0  # for the end of its thread


@dataclass(frozen=True, slots=True)
class Shown:
    """Frames without end; any thread may ask.

    Attributes:
        text: what they are, for people
        fps: of the source that runs meanwhile; None: none does
    """

    text: str
    fps: Callable[[], float | None]
    newest: Callable[[int], Frame]

    def frame(self, number: int) -> Frame:
        """As if it came now; of samples as they follow one another."""
        frame = self.newest(number)
        captured_at, captured_ns = clocks()
        span = replace(frame.span, start=number * frame.span.samples) if frame.span else None
        return replace(frame, number=number, captured_at=captured_at, captured_ns=captured_ns, span=span)


@contextmanager
def shown(settings: PipelineSettings | None, model: Model) -> Iterator[Shown]:
    """What a pipeline's source gives, or noise where it is not to be had, or `settings` is None."""
    if settings is None:
        yield _noise(model)
        return
    try:
        source: BaseSource = make_source(settings.source)
    except EdgeInferError as error:
        yield replace(_noise(model), text=f"{_noise(model).text}, since its source cannot be opened ({error})")
        return
    with closing(source):
        frames = Windows(source, model.wanted) if model.wanted else source
        if source.live:
            with _running(frames, source) as found:
                yield found
        else:
            yield _ring(tuple(islice(frames, RING)), source.name)


def _ring(frames: tuple[Frame, ...], name: str) -> Shown:
    if not frames:
        raise SourceError(f"{name} has no frame")
    return Shown(f"{_size(frames[0])} of {name}", lambda: None, lambda number: frames[number % len(frames)])


def _noise(model: Model) -> Shown:
    first = noise_frame(model)
    step = len(first.data) // RING
    frames = tuple(replace(first, data=np.roll(first.data, step * k, 0)) for k in range(RING))
    return replace(_ring(frames, "noise"), text=f"{_size(first)} of noise")


@contextmanager
def _running(frames: BaseSource, source: BaseSource) -> Iterator[Shown]:
    """A live source that is read as in a pipeline: what reading it costs is part of what is measured."""
    first = frames.read()
    newest, stopping = [first], threading.Event()
    taken = 0

    def read() -> None:
        nonlocal taken
        with suppress(EndOfStream, EdgeInferError):  # what is there goes on being shown
            while not stopping.is_set():
                newest[0] = frames.read()
                taken += 1

    def fps() -> float | None:
        seconds = (newest[0].captured_ns - first.captured_ns) / 1e9
        return round(taken / seconds, 2) if seconds > 0 else None

    reader = threading.Thread(target=read, name=f"source:{source.name}", daemon=True)
    reader.start()
    try:
        yield Shown(f"{_size(first)} of {source.name}", fps, lambda _number: newest[0])
    finally:
        stopping.set()
        source.interrupt()
        reader.join(STOP_S)


def _size(frame: Frame) -> str:
    return f"windows of {frame.span.samples} samples" if frame.span else f"{frame.size[0]}x{frame.size[1]} pictures"
