"""A camera for demonstrations: it pans and zooms over one picture, so what it sees is known at each frame."""

import math
from typing import TypeAlias

import cv2
import numpy as np

from edge_infer.errors import InputError
from edge_infer.sources.pace import Metronome
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Array, Frame, Size

Box: TypeAlias = tuple[float, float, float, float]

# Periods (s) without a common divisor, so that the motion hardly repeats, and slow enough that at 10 fps a thing
# moves by less than a tenth of the view from frame to frame (a test holds it to that).
PAN_X_S, PAN_Y_S, ZOOM_S = 13.0, 11.0, 17.0
WIDEST, NARROWEST = 0.95, 0.55  # of the largest view that the picture holds
MARGIN = 0.1  # around the focus, of its size


class StillSource(BaseSource):
    """Frames of `size` at `fps` out of one picture. Numbers follow the clock; `skipped` has what came too late.

    Args:
        picture: `(height, width, 3) uint8` BGR
        focus: a box in the picture that stays in view, with a margin, at all times
        frames: end once this many were read; None goes on for ever
    """

    def __init__(
        self,
        picture: Array,
        *,
        name: str = "still",
        size: Size = (640, 480),
        fps: float = 10.0,
        focus: Box | None = None,
        frames: int | None = None,
    ) -> None:
        super().__init__(name, live=True)
        height, width = picture.shape[:2]
        self._picture_size = (width, height)
        self._size = size
        self._fps = fps
        self._focus = focus
        self._left = frames
        view(0, self._picture_size, size, fps, focus)  # refuses a focus that does not fit
        self._picture = _shrink(picture, size)
        self._shrunk = (self._picture.shape[1] / width, self._picture.shape[0] / height)
        self._metronome = Metronome(fps)

    def read(self) -> Frame:
        """The frame of the next beat of the clock.

        Raises:
            EndOfStream: `frames` were read, or the source is closed.
        """
        if self._left is not None:
            if self._left <= 0:
                raise EndOfStream
            self._left -= 1
        number = self._metronome.wait()
        if self._metronome.missed:
            self.skipped["late"] += self._metronome.missed
        captured_at, captured_ns = clocks()
        x0, y0, x1, y1 = view(number, self._picture_size, self._size, self._fps, self._focus)
        across, down = self._shrunk
        data = _cut(self._picture, (x0 * across, y0 * down, x1 * across, y1 * down), self._size)
        return Frame(self.name, number, data, captured_at, captured_ns)

    def close(self) -> None:
        """Give no more frames."""
        self._left = 0


def view(number: int, picture_size: Size, out_size: Size, fps: float, focus: Box | None = None) -> Box:
    """The part of the picture that frame `number` shows: inside the picture, of the shape of `out_size`.

    A Lissajous figure for the place, a slow sine for the width; `focus` narrows both so that it stays in view.

    Raises:
        InputError: no view of this shape holds the focus.
    """
    seconds = number / fps
    aspect = out_size[0] / out_size[1]
    largest = min(picture_size[0], picture_size[1] * aspect)
    kept = _with_margin(focus, picture_size) if focus else None
    narrowest = largest * NARROWEST
    if kept:
        narrowest = max(narrowest, kept[2] - kept[0], (kept[3] - kept[1]) * aspect)
        if narrowest > largest:
            raise InputError(f"the focus {focus} does not fit into a view of {out_size} in a picture of {picture_size}")
    width = _swing(seconds, ZOOM_S, narrowest, max(narrowest, largest * WIDEST))
    height = width / aspect
    x0 = _swing(seconds, PAN_X_S, *_range(width, picture_size[0], (kept[0], kept[2]) if kept else None))
    y0 = _swing(seconds, PAN_Y_S, *_range(height, picture_size[1], (kept[1], kept[3]) if kept else None))
    return x0, y0, x0 + width, y0 + height


def to_view(box: Box, number: int, picture_size: Size, out_size: Size, fps: float, focus: Box | None = None) -> Box:
    """Where frame `number` shows a box of the picture, in output pixels, clipped to the frame."""
    x0, y0, x1, _ = view(number, picture_size, out_size, fps, focus)
    scale = out_size[0] / (x1 - x0)
    left, right = (min(max((x - x0) * scale, 0.0), float(out_size[0])) for x in (box[0], box[2]))
    top, bottom = (min(max((y - y0) * scale, 0.0), float(out_size[1])) for y in (box[1], box[3]))
    return left, top, right, bottom


def _swing(seconds: float, period: float, low: float, high: float) -> float:
    return low + (high - low) * (0.5 + 0.5 * math.sin(2.0 * math.pi * seconds / period))


def _range(length: float, whole: float, kept: tuple[float, float] | None) -> tuple[float, float]:
    """Where a view of `length` may begin on an axis of `whole` pixels, if it is to hold all of `kept`."""
    first, last = 0.0, max(0.0, whole - length)
    if kept is None:
        return first, last
    return min(max(first, kept[1] - length), last), min(last, kept[0])


def _with_margin(box: Box, picture_size: Size) -> Box:
    """The box and some of what surrounds it, as far as the picture goes."""
    x0, y0, x1, y1 = box
    width, height = picture_size
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError(f"the focus {box} is no box inside a picture of {picture_size}: give x0, y0, x1, y1 in it")
    more_x, more_y = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return max(0.0, x0 - more_x), max(0.0, y0 - more_y), min(width, x1 + more_x), min(height, y1 + more_y)


def _shrink(picture: Array, size: Size) -> Array:
    """The picture, made so small that the narrowest view is hardly enlarged: for speed, and against flicker."""
    height, width = picture.shape[:2]
    scale = size[0] / (min(width, height * size[0] / size[1]) * NARROWEST)
    if scale >= 1.0:
        return picture
    return cv2.resize(picture, (math.ceil(width * scale), math.ceil(height * scale)), interpolation=cv2.INTER_AREA)


def _cut(picture: Array, area: Box, size: Size) -> Array:
    """`area` of the picture, enlarged or shrunk to `size`; edges of pixels, not their centres, count from 0."""
    step_x, step_y = (area[2] - area[0]) / size[0], (area[3] - area[1]) / size[1]
    matrix = np.array(
        [[step_x, 0.0, area[0] + 0.5 * step_x - 0.5], [0.0, step_y, area[1] + 0.5 * step_y - 0.5]], np.float64
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
