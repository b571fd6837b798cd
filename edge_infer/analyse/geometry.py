"""Where a point is: in a polygon, beside a line, on which side of it."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

XY: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]


def is_inside(point: XY, polygon: Sequence[XY]) -> bool:
    """True where a ray from the point leaves the polygon an odd number of times; of its edges, half belong to it.

    Source: "PNPOLY", W. R. Franklin, 1970, after Shimrat, CACM 5(8), 1962.
    """
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in pairwise((*polygon, polygon[0])):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


def crossings(a: XY, b: XY, line: Sequence[XY]) -> int:
    """How often the way from a to b crosses the line from its left to its right, less those the other way.

    Left and right are those of one who walks from the line's first point to its last, in a picture whose y grows
    downwards. A point on the line belongs to its right, so that no crossing counts twice or never.
    """
    found = 0
    low, high = sorted((a, b))  # the way back crosses what the way there does
    for p, q in pairwise(line):
        before, after = _is_right(a, p, q), _is_right(b, p, q)
        if before != after and _is_right(p, low, high) != _is_right(q, low, high):
            found += 1 if after else -1
    return found


def distance(point: XY, line: Sequence[XY]) -> float:
    """From the point to the nearest of the line."""
    return min(_to_segment(point, p, q) for p, q in pairwise(line))


def anchor_of(box: Box, anchor: str) -> XY:
    """The point at which an object is: the middle of the lower edge of its box ("bottom"), or of the box."""
    x0, y0, x1, y1 = box
    return (x0 + x1) / 2, y1 if anchor == "bottom" else (y0 + y1) / 2


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (area(a) + area(b) - width * height)


def area(box: Box) -> float:
    """In pixels."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _is_right(point: XY, p: XY, q: XY) -> bool:
    return (q[0] - p[0]) * (point[1] - p[1]) - (q[1] - p[1]) * (point[0] - p[0]) >= 0.0


def _to_segment(point: XY, p: XY, q: XY) -> float:
    dx, dy = q[0] - p[0], q[1] - p[1]
    length = dx * dx + dy * dy
    share = 0.0 if length == 0.0 else ((point[0] - p[0]) * dx + (point[1] - p[1]) * dy) / length
    share = min(1.0, max(0.0, share))
    return math.hypot(point[0] - p[0] - share * dx, point[1] - p[1] - share * dy)
