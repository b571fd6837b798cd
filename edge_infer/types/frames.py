"""A captured picture, and how it became a model's input."""

from dataclasses import dataclass

import numpy as np

from edge_infer.types.arrays import Array, Size


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture, and when it was taken.

    Attributes:
        source: name of the source
        number: counts from 0 for each time the source is opened; gaps are frames that were dropped
        data: `(height, width, 3) uint8` BGR
        captured_at: wall clock, seconds since 1970: for people
        captured_ns: monotonic clock, ns: for ages and timeouts (a Pi's wall clock jumps)
        path: the file it was read from, if any
    """

    source: str
    number: int
    data: Array
    captured_at: float
    captured_ns: int
    path: str | None = None

    @property
    def size(self) -> Size:
        """(width, height) in pixels."""
        height, width = self.data.shape[:2]
        return width, height


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a captured frame became a model input: `input = (frame - crop origin) * scale + pad`, per axis."""

    frame_size: Size
    input_size: Size
    origin: tuple[float, float] = (0.0, 0.0)  # of the crop in the frame, px
    scale: tuple[float, float] = (1.0, 1.0)  # input px per frame px
    pad: tuple[float, float] = (0.0, 0.0)  # input px left of and above the picture
    crop: Size | None = None  # size of the crop; None: all of the frame right of and below its origin

    def to_frame(self, points: Array) -> Array:
        """Model-input pixels `(..., 2 k)` as x, y pairs to captured-frame pixels, clipped to the frame."""
        pairs = self.unclipped(points).reshape(-1, 2)
        np.clip(pairs, 0.0, np.asarray(self.frame_size, np.float32), out=pairs)
        return pairs.reshape(points.shape)

    def unclipped(self, points: Array) -> Array:
        """As `to_frame`, where points outside the frame stay outside: corners of a turned box, say."""
        pairs: Array = points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2).astype(np.float32)
        with np.errstate(over="ignore"):  # what no float32 holds is infinitely far outside
            pairs = (pairs - np.asarray(self.pad, np.float32)) / np.asarray(self.scale, np.float32)
        pairs += np.asarray(self.origin, np.float32)
        return pairs.reshape(points.shape)
