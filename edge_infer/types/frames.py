"""A captured picture, or a part of a stream of samples, and how it became a model's input."""

from dataclasses import dataclass, field

import numpy as np

from edge_infer.types.arrays import Array, Size


@dataclass(frozen=True, slots=True)
class Span:
    """Which samples of a stream a frame holds: of sound, or of a sensor.

    Attributes:
        start: number of the first, counted from the opening of the source at `rate_hz`; what was lost is counted, too
        samples: how many
        rate_hz: of one channel; 0: they come when they come, each is one step
        channels: name of each column
        units: of each column, "" where it is not known; empty: none is
        missing: values that the sensor did not give
    """

    start: int
    samples: int
    rate_hz: float
    channels: tuple[str, ...]
    units: tuple[str, ...] = ()
    missing: int = 0

    @property
    def end(self) -> int:
        """Number of the sample after the last."""
        return self.start + self.samples

    @property
    def start_s(self) -> float | None:
        """Seconds from the opening of the source to the first sample; None where there is no rate."""
        return self.start / self.rate_hz if self.rate_hz else None

    @property
    def length_s(self) -> float | None:
        """Seconds that it lasts; None where there is no rate."""
        return self.samples / self.rate_hz if self.rate_hz else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The windows of samples that a model is asked about.

    Attributes:
        samples: of each window
        hop: from the start of one window to the start of the next; window k begins at sample k * hop
        rate_hz: that the model was trained with; None: any
        channels: how many
        names: of the columns, in the model's order; empty: as the source has them
        sound: several channels may be mixed into one, and the last window of a file is filled with silence
        max_missing: share of the values of a window that may be missing; they are filled in
        max_hole_s: rows that come when they come: what lies between two that are further apart is missing; None: three
            samples
        hold: between two rows the value stays that of the earlier; otherwise it changes evenly
    """

    samples: int
    hop: int
    rate_hz: float | None
    channels: int
    names: tuple[str, ...] = ()
    sound: bool = False
    max_missing: float = 0.0
    max_hole_s: float | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture, or a block or window of samples, and when it was taken.

    Attributes:
        source: name of the source
        number: counts from 0 for each time the source is opened; gaps are frames that were dropped
        data: a picture is `(height, width, 3) uint8` BGR, samples are `(samples, channels) float32`
        captured_at: wall clock, seconds since 1970: for people; of samples: when the last was taken
        captured_ns: monotonic clock, ns: for ages and timeouts (a Pi's wall clock jumps)
        path: the file it was read from, if any
        span: of samples; None: a picture
        media_s: where it stands in a file that was recorded, seconds; None: it is of now
    """

    source: str
    number: int
    data: Array
    captured_at: float
    captured_ns: int
    path: str | None = None
    span: Span | None = None
    media_s: float | None = None

    @property
    def size(self) -> Size:
        """(width, height) in pixels; (0, 0) for samples."""
        if self.span:
            return 0, 0
        height, width = self.data.shape[:2]
        return width, height

    @property
    def clock_s(self) -> float:
        """Seconds on the clock of what was captured: the time in a file, whatever the pace it is read at, or now."""
        return self.captured_ns / 1e9 if self.media_s is None else self.media_s


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a captured frame became a model input: `input = (frame - crop origin) * scale + pad`, per axis."""

    frame_size: Size
    input_size: Size
    origin: tuple[float, float] = (0.0, 0.0)  # of the crop in the frame, px
    scale: tuple[float, float] = (1.0, 1.0)  # input px per frame px
    pad: tuple[float, float] = (0.0, 0.0)  # input px left of and above the picture
    crop: Size | None = None  # size of the crop; None: all of the frame right of and below its origin
    _arrays: tuple[Array, Array, Array, Array] = field(init=False, repr=False, compare=False)  # used for each frame

    def __post_init__(self) -> None:
        numbers = (self.frame_size, self.origin, self.scale, self.pad)
        object.__setattr__(self, "_arrays", tuple(np.asarray(pair, np.float32) for pair in numbers))

    def to_frame(self, points: Array) -> Array:
        """Model-input pixels `(..., 2 k)` as x, y pairs to captured-frame pixels, clipped to the frame."""
        pairs = self.unclipped(points).reshape(-1, 2)
        np.clip(pairs, 0.0, self._arrays[0], out=pairs)
        return pairs.reshape(points.shape)

    def unclipped(self, points: Array) -> Array:
        """As `to_frame`, where points outside the frame stay outside: corners of a turned box, say."""
        pairs: Array = points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2).astype(np.float32)
        _, origin, scale, pad = self._arrays
        with np.errstate(over="ignore"):  # what no float32 holds is infinitely far outside
            pairs = (pairs - pad) / scale
        pairs += origin
        return pairs.reshape(points.shape)
