"""Whether something moves in the pictures of a camera that stands still."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from edge_infer.analyse.gate_settings import MotionGate, Polygon
from edge_infer.types import Array

HEIGHT = 100  # px that pictures are looked at with. Source: Frigate's `motion.frame_height`
COARSE = 2  # times HEIGHT: pictures are thinned out to no less before they are averaged
# The rest is measured by scripts/bench-gates (docs/gates.md).
FOLLOW_S = 5.0  # the background becomes what is seen within about so long
LEARN_S = 20.0  # ... and so long it is remembered how much a pixel usually swings
SWINGS = 4.0  # times the usual swing: leaves, a flickering screen, noise of the night
FIRST_SWING = 2.0  # grey levels, before anything was learned
LIGHT = 0.6  # share of the picture that changes at once: a light was switched, or the camera turned
FIT = 4  # every so manieth row and column tells the light
WHITE = 255.0  # brighter is not seen


class Stirring:
    """Compares each picture with a background that slowly follows it; for the pictures of one source, in order."""

    def __init__(self, settings: MotionGate) -> None:
        self._settings = settings
        self._background: Array | None = None  # `(height, width) float32`
        self._swing = np.zeros(0, np.float32)  # the usual difference to it, grey levels
        self._counts: Array | None = None  # 255 where motion counts, 0 elsewhere
        self._size: tuple[int, ...] = ()
        self._at_s = 0.0

    def __call__(self, image: Array, at_s: float) -> bool:
        """True where something moved in a BGR picture of this moment; the first, and one of new light, may show it."""
        grey = small_grey(image)
        since_s, self._at_s = at_s - self._at_s, at_s
        if self._background is None or image.shape != self._size or since_s < 0:
            self._begin(grey, image.shape)
            return True
        changed: Array = np.abs(grey - relit(self._background, grey))
        moved = self._moved(changed)
        if np.count_nonzero(moved) > LIGHT * moved.size:
            self._background = grey
            return True
        cv2.accumulateWeighted(grey, self._background, 1.0 - math.exp(-since_s / FOLLOW_S))
        usual = np.minimum(changed, np.float32(self._settings.threshold))  # a busy road must not hide its cars
        cv2.accumulateWeighted(usual, self._swing, 1.0 - math.exp(-since_s / LEARN_S))
        return largest_piece(moved) >= max(1.0, self._settings.area * moved.size)

    def _begin(self, grey: Array, size: tuple[int, ...]) -> None:
        self._size = size
        self._background = grey
        self._swing = np.full_like(grey, FIRST_SWING)
        self._counts = counting(grey.shape, self._settings.ignore) if self._settings.ignore else None

    def _moved(self, changed: Array) -> Array:
        """255 for each pixel that moved; single ones are noise."""
        moved = ((changed > self._settings.threshold) & (changed > SWINGS * self._swing)).astype(np.uint8) * 255
        if self._counts is not None:
            moved &= self._counts
        cleaned: Array = cv2.medianBlur(moved, 3)
        return cleaned


def small_grey(image: Array) -> Array:
    """A BGR picture in grey levels, at most HEIGHT pixels high, `(height, width) float32`."""
    height, width = image.shape[:2]
    step = max(1, height // (COARSE * HEIGHT))
    thin = np.ascontiguousarray(image[::step, ::step])
    if height > HEIGHT:
        thin = cv2.resize(thin, (max(1, round(width * HEIGHT / height)), HEIGHT), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(thin, cv2.COLOR_BGR2GRAY).astype(np.float32)


def relit(background: Array, grey: Array) -> Array:
    """The background in the light of another picture: a camera's exposure and gain change all of it alike."""
    then, now = background[::FIT, ::FIT].ravel(), grey[::FIT, ::FIT].ravel()
    change = now - then
    dark = then <= np.median(then)
    if dark.all():
        return np.clip(background + np.float32(np.median(change)), 0.0, WHITE)
    x0, x1 = np.median(then[dark]), np.median(then[~dark])
    y0, y1 = np.median(change[dark]), np.median(change[~dark])
    slope = (y1 - y0) / max(x1 - x0, 1.0)
    relit: Array = np.clip(background * np.float32(1 + slope) + np.float32(y0 - slope * x0), 0.0, WHITE)
    return relit


def largest_piece(moved: Array) -> int:
    """Pixels of the largest piece of what is not 0."""
    if not moved.any():
        return 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(moved)
    return int(stats[1:, cv2.CC_STAT_AREA].max())


def counting(shape: Sequence[int], ignore: Sequence[Polygon]) -> Array:
    """255 where motion counts, 0 inside of polygons of x, y in 0..1."""
    counts = np.full(shape, 255, np.uint8)
    height, width = shape
    for polygon in ignore:
        corners = np.round(np.asarray(polygon) * (width - 1, height - 1)).astype(np.int32)
        cv2.fillPoly(counts, [corners], 0)
    return counts
