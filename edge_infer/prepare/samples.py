"""A window of samples becomes a model's input tensor: sound, or the readings of sensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_infer.errors import InputError, ModelError
from edge_infer.features import Features
from edge_infer.prepare.front_end import FrontEnd, front_end
from edge_infer.types import Array, Frame, Geometry, Span, TensorSpec, Wanted

MAX_MISSING = 0.1  # of a window; at 10 Hz and windows of 10 s that is one second that nobody has seen
NOWHERE = Geometry((0, 0), (0, 0))  # samples have no places


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """How samples become an input.

    Attributes:
        sound: it is sound, -1..1, rather than readings
        rate_hz: samples per second that the model was trained with; None: any
        window: samples of a window, where the model leaves that open
        overlap: share of a window that the next one shows again
        channels: names of the columns that the model takes, in its order; empty: all, as they come
        mean, std: `(x - mean) / std`, one number or one for each channel
        features: what is made of the samples then; None: they are the input
        max_missing, max_hole_s, fill: of readings, see `Wanted`; None: MAX_MISSING, three samples, "linear"
    """

    sound: bool
    rate_hz: float | None = None
    window: int | None = None
    overlap: float = 0.0
    channels: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    features: Features | None = None
    max_missing: float | None = None
    max_hole_s: float | None = None
    fill: Literal["linear", "hold"] | None = None


class SamplePreparer:
    """Makes inputs of windows `(samples, channels) float32`; time is the first axis of the input that is not 1."""

    def __init__(self, spec: TensorSpec, options: SampleOptions) -> None:
        self.spec = spec
        self.options = options
        self._front: FrontEnd | None = None
        if options.features is not None:
            self._front = front_end(
                options.features, spec, rate_hz=options.rate_hz, channels=options.channels, window=options.window
            )
        self.wanted = _wanted(spec, options, self._front)
        whole = options.sound and spec.dtype.kind == "i" and not spec.quantized
        self._full_scale = float(-np.iinfo(spec.dtype).min) if whole else None  # as sound cards store it
        channels = self.wanted.channels
        self._mean = _for_each(options.mean, 0.0, channels, "mean", spec)
        self._std = _for_each(options.std, 1.0, channels, "std", spec)
        if not self._std.all():
            raise ModelError(f"std is 0 for input '{spec.name}': normalisation would divide by zero")

    def __call__(self, frame: Frame) -> tuple[Array, Geometry]:
        """The input tensor; the geometry says nothing.

        Raises:
            InputError: not a window of as many samples and channels as the model takes.
        """
        data = self._columns(frame)
        if data.shape != (self.wanted.samples, self.wanted.channels):
            raise InputError(
                f"a window of {data.shape[0]} samples of {data.shape[1]} channels, the model takes "
                f"{self.wanted.samples} of {self.wanted.channels}"
            )
        values = (data - self._mean) / self._std
        if self._front is not None:
            values = self._front(values)
        elif self._full_scale:
            values = values * self._full_scale
        return self.spec.stored(values).reshape(self.spec.shape), NOWHERE

    @property
    def remembers(self) -> bool:
        """What it makes of a window depends on those before."""
        return self._front is not None and self._front.hop is not None

    def forget(self) -> None:
        """The next window does not follow the last."""
        if self._front is not None:
            self._front.forget()

    def _columns(self, frame: Frame) -> Array:
        """The columns that the model takes, in its order."""
        if frame.span is None:
            raise InputError("the model takes samples (sound, or readings of sensors), and this is a picture")
        data, names = frame.data, self.wanted.names
        if not names:
            mixed = self.wanted.sound and self.wanted.channels == 1
            return data.mean(axis=1, keepdims=True) if mixed else data
        return data[:, columns_of(names, frame.span, frame.source)]


def columns_of(names: Sequence[str], span: Span, source: str) -> list[int]:
    """Where the channels of these names are.

    Raises:
        InputError: one is not there.
    """
    missing = [name for name in names if name not in span.channels]
    if missing:
        raise InputError(f"there is no channel {', '.join(missing)}; {source} has {', '.join(span.channels)}")
    return [span.channels.index(name) for name in names]


def _wanted(spec: TensorSpec, options: SampleOptions, front: FrontEnd | None) -> Wanted:
    """The windows that the input, or what makes its features, takes."""
    if front is None:
        samples, channels = sample_layout(spec, options)
    else:
        samples, channels = front.samples, front.channels
    hop = max(1, round(samples * (1.0 - options.overlap)))
    rate_hz = options.rate_hz
    if front is not None:
        rate_hz = front.rate_hz or rate_hz
        if front.hop is not None and options.overlap:
            raise ModelError("these features go on from one window to the next: leave out overlap")
        hop = front.hop or hop
    missing = MAX_MISSING if options.max_missing is None else options.max_missing
    return Wanted(
        samples,
        hop,
        rate_hz,
        channels,
        options.channels,
        options.sound,
        0.0 if options.sound else missing,
        options.max_hole_s,
        options.fill == "hold",
    )


def sample_layout(spec: TensorSpec, options: SampleOptions) -> tuple[int, int]:
    """(samples, channels) of a window.

    Raises:
        ModelError: the input takes something else, or leaves open how many samples, and nobody says.
    """
    sides = [side for side in spec.shape if side != 1]
    channels = len(options.channels)
    if options.sound and len(sides) <= 1:
        samples = sides[0] if sides else options.window
        if samples is None:
            raise ModelError(f"input '{spec.name}' takes any number of samples: say how many, prepare: {{window: N}}")
        return samples, 1
    if len(sides) == 2:
        return sides[0], sides[1]
    if len(sides) <= 1:
        values = sides[0] if sides else 1
        if channels and values % channels == 0:
            return values // channels, channels
        return (values, 1) if len(spec.shape) == 3 and spec.shape[2] == 1 else (1, values)
    raise ModelError(
        f"input '{spec.name}' has shape {list(spec.shape)}; samples need [1, samples, channels] or [1, samples]"
    )


def _for_each(values: Sequence[float] | None, usual: float, channels: int, what: str, spec: TensorSpec) -> Array:
    given = np.asarray((usual,) if values is None else values, np.float32)
    if len(given) not in (1, channels) or not np.isfinite(given).all():
        raise ModelError(
            f"input '{spec.name}' takes {channels} channels, but there are {len(given)} values for {what}: give one "
            "number, or one for each channel"
        )
    return given
