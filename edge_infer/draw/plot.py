"""A result drawn on a plot of its samples: one lane for each channel, with its name, its unit and its range."""

from collections.abc import Iterator

import numpy as np

from edge_infer.draw.canvas import Canvas
from edge_infer.draw.colors import line_color
from edge_infer.draw.lettering import line_height, width_of, writable
from edge_infer.draw.words import all_rows, short
from edge_infer.types import Array, Result, Size, Span

SIZE = (640, 480)  # width, height; a video keeps one size
GROUND, PLATE = (48, 48, 48), (24, 24, 24)
LANE_LINES = 1.5  # a lower lane has no room for its name and its curve: channels beyond are counted
MARGIN = 0.08  # of a lane's height, that stays free above and below its curve
HIGH_LINES = 4  # in a lower lane the curve begins beside its name, not below it
TITLE_SHARE = 0.5  # of the width, that names may take from the curves
SOUND_HZ = 4000.0  # samples without a unit that come so fast are sound
QUIETEST = 0.01  # of full scale: softer sound (-40 dBFS) is drawn as soft, or silence would look like a storm
STILLEST = 1e-3  # of the value: what differs less is drawn as still

Range = tuple[float, float]


def plot(samples: Array, result: Result, size: Size = SIZE) -> Array:
    """A picture of `size` (width, height) of `(samples, channels)` and what was said of them.

    It is `(height, width, 3) uint8` BGR. Channels of one unit share a scale; what is no number leaves a gap.
    """
    canvas = Canvas(np.full((size[1], size[0], 3), GROUND, np.uint8))
    span = result.span
    if span is None or samples.ndim != 2 or not samples.size:
        return canvas.pixels
    top = canvas.rows(all_rows(result))
    line = max(1, line_height(canvas.em))
    lanes = max(1, min(samples.shape[1], int((size[1] - top) // (line * LANE_LINES))))
    height = (size[1] - top) / lanes
    limits = ranges(samples, span)[:lanes]
    titles, left = _titles(span, limits, canvas.em, size[0])
    left = left if height < line * HIGH_LINES else 0
    for place in range(lanes):
        for points in curve(samples[:, place], limits[place], size[0] - left):
            points[:, 0] += left
            points[:, 1] = top + height * (place + MARGIN + (1 - 2 * MARGIN) * points[:, 1])
            canvas.outline(points, line_color(place), closed=False)
    for place, title in enumerate(titles):  # text last: no curve crosses it
        canvas.label(title, (0, top + place * height + line, size[0], size[1]), PLATE)
    canvas.label(_footer(span, samples.shape[1] - lanes), (*size, *size), PLATE)
    return canvas.pixels


def _titles(span: Span, limits: list[Range], em: float, width: int) -> tuple[list[str], int]:
    """What stands at the lanes, with their ranges where there is room, and how wide that is in pixels."""
    names = [_title(span, place) for place in range(len(limits))]
    full = [f"{name}  {low:.3g} .. {high:.3g}" for name, (low, high) in zip(names, limits, strict=True)]
    for titles in (full, names):
        widest = round(max(width_of(title, em) for title in titles) + em)
        if widest <= TITLE_SHARE * width:
            return titles, widest
    return names, 0


def ranges(samples: Array, span: Span) -> list[Range]:
    """The least and the largest value that each lane has room for."""
    every = range(samples.shape[1])
    units = [_unit(span, place) for place in every]
    if span.rate_hz >= SOUND_HZ and not any(units):
        peak = max(QUIETEST, np.abs(samples, where=np.isfinite(samples), out=np.zeros_like(samples)).max())
        return [(-float(peak), float(peak)) for _ in every]
    alike = [[place for place in every if units[place] == unit] if unit else [at] for at, unit in enumerate(units)]
    return [_range(samples[:, places]) for places in alike]


def _range(values: Array) -> Range:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    room = max(STILLEST * max(abs(low), abs(high)), 1e-9) - (high - low)
    return (low - room / 2, high + room / 2) if room > 0 else (low, high)


def curve(values: Array, limits: Range, width: int) -> Iterator[Array]:
    """Lines `(n, 2) float64` of x in pixels and y from 0 (the upper limit) to 1, without what is no number.

    Where there are more samples than pixels, each pixel has the least and the largest of its own.
    """
    heights = ((limits[1] - values.astype(np.float64)) / (limits[1] - limits[0])).clip(0, 1)
    if len(values) > 2 * width:
        edges = np.linspace(0, len(values), width + 1).astype(int)[:-1]
        heights = np.stack([np.fmin.reduceat(heights, edges), np.fmax.reduceat(heights, edges)], axis=1).ravel()
        places = np.repeat(np.arange(width, dtype=np.float64), 2)
    else:
        places = np.linspace(0, width - 1, len(values))
    known = np.flatnonzero(np.isfinite(heights))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if len(run):
            yield np.stack([places[run], heights[run]], axis=1)


def _title(span: Span, place: int) -> str:
    name = short(writable(span.channels[place], f"channel {place}")) if place < len(span.channels) else str(place)
    unit = _unit(span, place)
    return f"{name} {writable(f'[{unit}]', '')}".rstrip() if unit else name


def _unit(span: Span, place: int) -> str:
    return span.units[place] if place < len(span.units) else ""


def _footer(span: Span, more: int) -> str:
    """How long it is, and what is not to be seen."""
    length = f"{span.length_s:.3g} s" if span.length_s else f"{span.samples} samples"
    missing = f", {span.missing} missing" if span.missing else ""
    return length + missing + (f", {more} more channels" if more > 0 else "")
