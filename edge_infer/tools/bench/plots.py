"""Pictures of a report: SVG that stands in the page itself, coloured by the page's own style, light or dark."""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from html import escape

from edge_infer.tools.bench.record import Curve, Series

WIDTH, HEIGHT = 360, 200  # of each; a phone shows one beside another's place
LEFT, RIGHT, TOP, BOTTOM = 40, 14, 14, 30
MUCH = 10  # times the least duration: beyond it, an even axis shows only the slowest
BAR, GAP = 16, 30  # a bar, and from one to the next


def distribution(curve: Curve, marks: Mapping[str, float]) -> str:
    """The share of durations that lie below each duration; `marks` (ms) are the percentiles that are shown in it.

    The axis ends a third beyond the 99th percentile: one frame that waited for the disk would hide all others. It is
    logarithmic where the durations differ much.
    """
    points = curve.thousandths_ms
    low = points[0]
    high = max(low + (points[990] - low) * 1.35, *(ms * 1.02 for ms in marks.values()), low * 1.001 + 1e-6)

    wide = 0 < low * MUCH < high

    def across(ms: float) -> float:
        share = math.log(ms / low) / math.log(high / low) if wide else (ms - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def down(share: float) -> float:
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    seen = [(ms, place / 1000) for place, ms in enumerate(points) if ms <= high]
    ticks = _decades(low, high, across) if wide else _ticks(low, high, across)
    drawn = [*seen[:: max(1, len(seen) // 300)], (high, seen[-1][1])]
    line = " ".join(f"{across(ms):.1f},{down(share):.1f}" for ms, share in drawn)
    parts = [_frame([(down(share), f"{share:.0%}") for share in (0, 0.5, 1)], ticks, "ms")]
    parts.append(f'<polyline class="line" points="{line}"/>')
    for row, (name, ms) in enumerate(marks.items()):
        x, y = across(ms), down(bisect_left(points, ms) / 1000)
        side, shift = ("end", -8) if x > WIDTH * 0.7 else ("start", 8)
        below = down((0.5, 0.86, 0.7)[row]) + 4  # the upper two lie so close together that their words would meet
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{down(0):.1f}"/>'
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            f'<text class="value" x="{x + shift:.1f}" y="{below:.1f}" text-anchor="{side}">{name} {_short(ms)}</text>'
        )
    return _svg(parts, HEIGHT, f"{curve.n} durations, the median {_short(points[500])} ms")


def bars(values: Mapping[str, float], unit: str, spread: Mapping[str, tuple[float, float]] | None = None) -> str:
    """A bar for each, with its value; `spread` is drawn as a line over it."""
    height = 8 + GAP * len(values)
    most = max([*values.values(), *(high for _, high in (spread or {}).values()), 1e-9])
    room = WIDTH - RIGHT - 70
    parts = []
    for row, (name, value) in enumerate(values.items()):
        y = 14 + GAP * row
        length = max(1.0, room * value / most)
        parts.append(f'<text x="0" y="{y - 3}">{escape(name)}</text>')
        parts.append(f'<rect class="bar" x="0" y="{y}" width="{length:.1f}" height="{BAR - 4}" rx="2"/>')
        end = length
        if spread and name in spread:
            low, high = (room * each / most for each in spread[name])
            middle = y + (BAR - 4) / 2
            parts.append(
                f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {y}v12M{high:.1f} {y}v12"/>'
            )
            end = max(end, high)
        parts.append(f'<text class="value" x="{end + 6:.1f}" y="{y + 10}">{_short(value)} {escape(unit)}</text>')
    return _svg(parts, height + 8, ", ".join(f"{name} {_short(value)} {unit}" for name, value in values.items()))


def over_time(series: Series) -> str:
    """A quantity over time, from 0 where it is a rate; a gap where it was not to be had."""
    known = [(at, value) for at, value in zip(series.at_s, series.values, strict=True) if value is not None]
    most, least = max(value for _, value in known), min(value for _, value in known)
    low = 0.0 if series.unit in ("fps", "MB") else math.floor(least) - 2.0
    high = max(most * 1.08 if low == 0 else math.ceil(most) + 2.0, low + 1e-6)
    end = max(series.at_s[-1], 1e-6)

    def across(at: float) -> float:
        return LEFT + at / end * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    levels = _ticks(low, high, down)
    parts = [_frame(levels, _ticks(0.0, end, across), "s")]
    line = " ".join(f"{across(at):.1f},{down(value):.1f}" for at, value in known)
    parts.append(f'<polyline class="line" points="{line}"/>')
    return _svg(parts, HEIGHT, f"from {_short(known[0][1])} to {_short(known[-1][1])} {series.unit}")


def _frame(levels: Sequence[tuple[float, str]], ticks: Sequence[tuple[float, str]], unit: str) -> str:
    parts = [f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>' for y, _ in levels]
    parts += [f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>' for y, label in levels]
    named = [*ticks[:-1], (ticks[-1][0], f"{ticks[-1][1]} {unit}")]
    parts += [f'<text x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(label)}</text>' for x, label in named]
    return "".join(parts)


def _ticks(low: float, high: float, across: Callable[[float], float]) -> list[tuple[float, str]]:
    """Round values on an axis, three to six of them."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)
    first = math.ceil(low / step)
    return [(across(k * step), f"{k * step:.10g}") for k in range(first, math.floor(high / step) + 1)]


def _decades(low: float, high: float, across: Callable[[float], float]) -> list[tuple[float, str]]:
    """1, 2, 5, 10, ... on a logarithmic axis."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    found = [10.0**power * nice for power in powers for nice in (1, 2, 5)]
    steps = [value for value in found if low <= value <= high]
    return [(across(value), f"{value:.10g}") for value in steps[:: -(-len(steps) // 7)]]


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _svg(parts: Sequence[str], height: float, said: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(said)}">{"".join(parts)}</svg>'
