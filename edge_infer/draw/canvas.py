"""A picture that is drawn on: lines, points, tints and plates with text, in captured-frame pixels."""

from collections.abc import Sequence

import cv2
import numpy as np

from edge_infer.draw.colors import BLACK, Color, ink_on
from edge_infer.draw.lettering import line_height, width_of, write
from edge_infer.types import Array

SMALL = 160  # px; a longer side below this has no room for letters: it may be enlarged, by a whole number
EM_SHARE = 45  # letters grow with the picture: its longer side holds so many em
LEAST_EM, SMALLEST_EM = 12.0, 8.0  # px: letters are made no smaller; to let a text fit, down to the second
LINES_IN_HEIGHT = 4  # a strip holds so many lines at least, or there is no text on it
LINE_SHARE = 400  # the longer side holds so many widths of a line
LEAST_LINE_PX = 2  # a thinner one drowns in its own rim
TINT = 0.45  # how much of its colour a tinted area takes
TEXT_SHARE = 0.3  # of the picture, that text may cover
BAND = 256  # rows that are tinted at a time: memory stays small beside a picture of 48 megapixels


class Canvas:
    """A copy of a picture; `pixels` is what has become of it.

    Text goes onto plates that do not overlap, stay inside, and together cover at most a third of the picture: what
    finds no room is left out, so the most important comes first.
    """

    def __init__(self, image: Array, *, enlarge: bool = False) -> None:
        """Copy `(height, width, 3)` BGR; one that is too small for letters is enlarged, or has none."""
        longest = max(image.shape[:2])
        self.factor = -(-SMALL // longest) if enlarge and longest < SMALL else 1
        enlarged = image.repeat(self.factor, 0).repeat(self.factor, 1) if self.factor > 1 else image
        self.pixels = np.array(enlarged, np.uint8, order="C", copy=True)
        self.height, self.width = self.pixels.shape[:2]
        self.em = max(LEAST_EM, max(self.width, self.height) / EM_SHARE)
        self.em = min(self.em, min(self.width, self.height) / LINES_IN_HEIGHT / (line_height(100) / 100))
        self.line_px = max(LEAST_LINE_PX, round(max(self.width, self.height) / LINE_SHARE))
        self._plates = np.zeros((0, 4), int)
        self._covered = 0

    def outline(self, points: Array | Sequence[tuple[float, float]], color: Color, *, closed: bool = True) -> None:
        """A line through `(n, 2)` points, with a dark rim that shows it on any ground."""
        places = self._places(points)
        if places is None:
            return
        for ink, width in ((BLACK, self.line_px + 2), (color, self.line_px)):
            cv2.polylines(self.pixels, [places], closed, ink, width, cv2.LINE_AA)

    def dot(self, point: tuple[float, float], color: Color, size: float = 1.0) -> None:
        """A point, with a dark rim."""
        places = self._places([point])
        if places is None:
            return
        radius = max(1, round((self.line_px + 1) * size))
        x, y = places[0].tolist()
        cv2.circle(self.pixels, (x, y), radius + 1, BLACK, -1, cv2.LINE_AA)
        cv2.circle(self.pixels, (x, y), radius, color, -1, cv2.LINE_AA)

    def tint(self, mask: Array, at: tuple[int, int], color: Color) -> None:
        """Tint and outline where `mask (height, width) bool` is true; `at` is its upper left corner."""
        x, y = at[0] * self.factor, at[1] * self.factor
        left, top, right, bottom = max(0, -x), max(0, -y), max(0, self.width - x), max(0, self.height - y)
        grown = mask.repeat(self.factor, 0).repeat(self.factor, 1)[top:bottom, left:right]
        if not grown.any():
            return
        x, y = x + left, y + top
        area = self.pixels[y : y + grown.shape[0], x : x + grown.shape[1]]
        area[grown] = (area[grown] * (1 - TINT) + np.array(color) * TINT).astype(np.uint8)
        lines, _ = cv2.findContours(grown.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
        cv2.polylines(self.pixels, list(lines), True, color, self.line_px, cv2.LINE_AA)

    def tint_all(self, class_map: Array, table: Array, tinted: Array) -> None:
        """Tint each pixel with the colour of its class: `table (n, 3)`, where `tinted (n,) bool` says so."""
        whole = cv2.resize(class_map, (self.width, self.height), interpolation=cv2.INTER_NEAREST)
        for top in range(0, self.height, BAND):
            classes, area = whole[top : top + BAND], self.pixels[top : top + BAND]
            mixed = cv2.addWeighted(area, 1 - TINT, table[classes], TINT, 0)
            np.copyto(area, mixed, where=tinted[classes][:, :, None])

    def label(self, text: str, box: tuple[float, float, float, float], color: Color) -> None:
        """Text on a plate at a box: above it, inside, below; not at all where others are already."""
        text, em = self._fitting(text)
        width, height = width_of(text, em) + self._pad(em), line_height(em)
        if not text or self._covered + width * height > TEXT_SHARE * self.width * self.height:
            return
        x0, y0, x1, y1 = (round(v * self.factor) for v in box)
        for x, y in ((x0, y0 - height), (x0, y0), (x0, y1), (x1 - width, y0 - height), (x0, y1 - height)):
            plate = (min(max(0, x), self.width - width), y, width, height)
            if 0 <= y <= self.height - height and self._is_free(plate):
                self._plate(text, plate, em, color)
                return

    def rows(self, texts: Sequence[tuple[str, Color]]) -> int:
        """Texts on plates, one below the other from the upper left corner; the last says how many have no room.

        Returns how far down they reach, in pixels.
        """
        if self.em < SMALLEST_EM:
            return 0
        room = max(1, int(TEXT_SHARE * self.height // line_height(self.em)))
        shown = list(texts)
        if len(shown) > room > 1:
            shown = [*shown[: room - 1], (f"+{len(shown) - room + 1} more", ink_on(BLACK))]
        top = 0
        for given, color in shown[:room]:
            text, em = self._fitting(given)
            if text:
                height = line_height(em)
                self._plate(text, (0, top, width_of(text, em) + self._pad(em), height), em, color)
                top += height
        return top

    def _plate(self, text: str, plate: tuple[int, int, int, int], em: float, color: Color) -> None:
        x, y, width, height = plate
        cv2.rectangle(self.pixels, (x, y), (x + width - 1, y + height - 1), color, -1)
        write(self.pixels, text, (x + self._pad(em) // 2, y), em, ink_on(color))
        self._plates = np.vstack((self._plates, (x, y, x + width, y + height)))
        self._covered += width * height

    def _is_free(self, plate: tuple[int, int, int, int]) -> bool:
        x, y, width, height = plate
        x0, y0, x1, y1 = self._plates.T
        return not ((x0 < x + width) & (x < x1) & (y0 < y + height) & (y < y1)).any()

    def _fitting(self, text: str) -> tuple[str, float]:
        """The text and a size at which it is no wider than the picture: smaller, then shortened; "" if nothing fits."""
        em = self.em
        room = self.width - self._pad(em)
        width = width_of(text, em)
        if width > room:
            em = max(min(em, SMALLEST_EM), em * room / width * 0.98)
        if em < SMALLEST_EM:
            return "", em
        while text and width_of(text, em) > room:
            text = text[: max(0, min(len(text) - 3, len(text) * room // width_of(text, em)))]
            text = f"{text}.." if text else ""
        return text, em

    def _places(self, points: Array | Sequence[tuple[float, float]]) -> Array | None:
        """Whole pixels of the canvas, inside it; None where a point is no number."""
        places = np.asarray(points, np.float64).reshape(-1, 2) * self.factor
        if not np.isfinite(places).all():
            return None
        return np.clip(np.round(places), 0, (self.width - 1, self.height - 1)).astype(np.int32)

    def _pad(self, em: float) -> int:
        return round(0.4 * em)
