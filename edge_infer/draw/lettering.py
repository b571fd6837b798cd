"""Text on pictures: what can be written, how large it becomes, and writing it.

OpenCV 5 has a font with most scripts of the world. OpenCV 4 draws ASCII alone: Latin letters lose their accents there,
and of what is left a label in another script becomes the number of its class.
"""

import unicodedata
from typing import Any

import cv2

from edge_infer.draw.colors import Color
from edge_infer.types import Array

HERSHEY = cv2.FONT_HERSHEY_SIMPLEX
UNICODE: Any = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None
WEIGHT = 500  # of 100..1000: a little stronger than regular, since it stands on a picture
# Source: measured with OpenCV 4.11 and 5.0; heights in em, so that lines of any text have the same height.
HERSHEY_EM = 30.0  # px of an em at scale 1
ASCENT, DESCENT = 0.95, 0.3
# What Unicode does not take apart into a Latin letter and an accent.
SPELT = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i", "µ": "u", "°": "deg ", "×": "x",
    "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...",
}  # fmt: skip


def writable(text: str, otherwise: str, *, unicode: bool = UNICODE is not None) -> str:
    """The text as it can be drawn on one line, or `otherwise`."""
    line = " ".join(text.split())
    if unicode or line.isascii():
        return "".join(letter for letter in line if letter.isprintable())
    plain = unicodedata.normalize("NFKD", "".join(SPELT.get(letter, letter) for letter in line))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return letters.strip() if letters.isascii() else otherwise


def width_of(text: str, em: float) -> int:
    """How wide the text is, in pixels, at a size of `em` pixels."""
    if UNICODE is not None:
        return int(cv2.getTextSize((0, 0), text, (0, 0), UNICODE, round(em), WEIGHT)[2])
    scale, thickness = _hershey(em)
    return int(cv2.getTextSize(text, HERSHEY, scale, thickness)[0][0])


def line_height(em: float) -> int:
    """How high a line is, in pixels."""
    return round((ASCENT + DESCENT) * em)


def write(canvas: Array, text: str, at: tuple[int, int], em: float, color: Color) -> None:
    """Write one line; `at` is its upper left corner."""
    origin = (at[0], at[1] + round(ASCENT * em))
    if UNICODE is not None:
        cv2.putText(canvas, text, origin, color, UNICODE, round(em), WEIGHT)
        return
    scale, thickness = _hershey(em)
    cv2.putText(canvas, text, origin, HERSHEY, scale, color, thickness, cv2.LINE_AA)


def _hershey(em: float) -> tuple[float, int]:
    return em / HERSHEY_EM, max(1, round(em / 12))
