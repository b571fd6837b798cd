"""Which colour a class has, and which letters are read on it."""

from typing import TypeAlias

import numpy as np

from edge_infer.types import Array

Color: TypeAlias = tuple[int, int, int]  # blue, green, red

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# Colours (BGR) that stay apart for colour-blind readers. Source: Okabe and Ito, "Color Universal Design", 2008.
COLORS: tuple[Color, ...] = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
# Beyond seven classes the same hues come again, lighter and then darker: 21 classes differ, as many as Pascal VOC has.
SHADES = ((WHITE, 0.0), (WHITE, 0.55), (BLACK, 0.5))
LINEAR = 2.2  # exponent from a channel's value to light. Source: sRGB, roughly
LUMINANCE = (0.0722, 0.7152, 0.2126)  # of blue, green, red. Source: ITU-R BT.709
# Black letters have the higher contrast on all that is lighter. Source: WCAG 2.2: (L + .05)^2 > .05 * 1.05
BRIGHT = 0.179


def line_color(class_id: int) -> Color:
    """The colour of an object's lines: one of the seven, since thin lines need a strong one."""
    return COLORS[class_id % len(COLORS)]


def color_of(class_id: int) -> Color:
    """The colour of a class where it fills an area: always the same one, and another one for each of 21."""
    other, part = SHADES[class_id // len(COLORS) % len(SHADES)]
    blue, green, red = (
        round(own + (mixed - own) * part) for own, mixed in zip(COLORS[class_id % len(COLORS)], other, strict=True)
    )
    return blue, green, red


def ink_on(color: Color) -> Color:
    """Black or white: what is read better on this colour."""
    light = sum(share * (value / 255) ** LINEAR for share, value in zip(LUMINANCE, color, strict=True))
    return BLACK if light > BRIGHT else WHITE


def color_table(class_ids: int) -> Array:
    """`(class_ids, 3) uint8`: the colour of each class from 0 on."""
    return np.array([color_of(class_id) for class_id in range(class_ids)], np.uint8).reshape(-1, 3)
