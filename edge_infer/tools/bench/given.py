"""What models are asked about: a ring of frames in memory of their own, as the driver of a camera has one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np

from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.sources.images import read_image
from edge_infer.sources.pace import Metronome
from edge_infer.sources.source import BaseSource, clocks
from edge_infer.tools.bench.record import Settings
from edge_infer.tools.noise import noise_frame
from edge_infer.types import Array, Frame

RING = 8  # buffers: what drivers keep for a camera is 4 to 8
WARM_S = 0.2  # of each turn that does not count: caches, branch predictors and clocks come up
WARM_CALLS = 3


@dataclass(frozen=True, slots=True)
class Given:
    """One model and what it is asked about again and again.

    Attributes:
        hop: of samples, how many make the next window
        tensors: the frames as the model's inputs, made once: for those who measure nothing but the model
        device: where it runs
        file: the model file that runs there
    """

    path: Path
    frames: tuple[Frame, ...]
    hop: int
    tensors: tuple[tuple[Array, ...], ...]
    device: str
    file: Path

    def frame(self, number: int) -> Frame:
        """The frame of this number, taken now; of samples, as they follow one another."""
        frame = self.frames[number % RING]
        span = replace(frame.span, start=number * self.hop) if frame.span else None
        return Frame(frame.source, number, frame.data, *clocks(), span=span)


def open_model(path: Path, settings: Settings) -> Model:
    """The model as the benchmark is to use it."""
    return load(path, device=settings.device, threads=settings.threads, delegate=settings.delegate)


def given(path: Path, model: Model, file: Path, settings: Settings) -> Given:
    """The ring for a model: a picture, or a window of samples, and what it is when it is shifted.

    Raises:
        UnavailableError: the picture that was named is not there.
        InputError: it is none, or the model takes no pictures.
    """
    first = noise_frame(model)
    if settings.picture:
        first = replace(first, data=read_image(Path(settings.picture)))
    axis, step = (0, len(first.data) // RING) if first.span else (1, first.data.shape[1] // RING)
    frames = tuple(replace(first, number=k, data=np.roll(first.data, k * step, axis)) for k in range(RING))
    tensors = []
    for frame in frames:
        inputs, _ = model.engine.feed(frame)
        tensors.append(tuple(np.array(value) for value in inputs))  # it uses its memory again
    hop = model.wanted.hop if model.wanted else 0
    return Given(path, frames, hop, tuple(tensors), model.device, file)


def shown(first: Frame, settings: Settings) -> str:
    """What the frames are, in words."""
    if first.span:
        return f"windows of {first.span.samples} samples x {len(first.span.channels)}, noise"
    return f"{RING} pictures {first.size[0]}x{first.size[1]}, {settings.picture or 'noise with edges'}"


class Ring(BaseSource):
    """The frames of a ring one after the other, without a copy: as fast as they are wanted, or `fps` a second, live."""

    def __init__(self, what: Given, fps: float | None = None) -> None:
        super().__init__("ring", live=fps is not None)
        self._given = what
        self._next = Metronome(fps).wait if fps else count().__next__
        self._samples = 0  # that were given

    def read(self) -> Frame:
        """One more; of samples a window at first, and then so many that each completes another."""
        number = self._next()
        frame = self._given.frame(number)
        if frame.span:
            data = frame.data[-self._given.hop :] if self._samples else frame.data
            span = replace(frame.span, start=self._samples, samples=len(data))
            self._samples = span.end
            frame = replace(frame, data=data, span=span)
        return frame

    def close(self) -> None:
        """There is nothing to close."""


def warm(step: Callable[[], object]) -> float:
    """Do it until it is warm; how long it takes then, s."""
    began, taken = time.perf_counter(), list[float]()
    while len(taken) < WARM_CALLS or time.perf_counter() - began < WARM_S:
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return sorted(taken)[len(taken) // 2]
