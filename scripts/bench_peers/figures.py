"""From turns to tables: medians, ratios of the same round, and whether all say the same."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench_peers.running import Turn

Answers = Mapping[str, Sequence[Mapping[str, Any]]]  # of each picture, by its place in the ring
OURS = ("ours", "ours-2")
TIED = 0.01  # of scores: two steps of 1/256, so much two runtimes differ


@dataclass(frozen=True)
class Ratio:
    """Of two contenders, round by round."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, above: Sequence[Turn], below: Sequence[Turn]) -> "Ratio | None":
        """Of the rates of those rounds in which both had their turn; None where there is none."""
        other = {turn.round: turn.fps for turn in below if turn.fps}
        ratios = [turn.fps / other[turn.round] for turn in above if turn.round in other]
        return cls(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.lowest:.2f}..{self.highest:.2f})"


@dataclass(frozen=True)
class Row:
    """One contender with one model: medians over its turns.

    Attributes:
        of_base: its rate by that of the bare runtime on as many threads
        ours: rate of ours by its own, for each of ours
        others: the largest share of the machine that somebody else took during one of its turns
    """

    name: str
    fps: float
    of_base: Ratio | None
    ours: dict[str, Ratio | None]
    cpu_ms: float
    memory_mb: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    others: float


def rows(turns: Mapping[str, Sequence[Turn]], bases: Mapping[str, str], memory_mb: Mapping[str, float]) -> list[Row]:
    """A row for each contender that had a turn."""
    return [
        Row(
            name,
            fps=_median(turns[name], "fps"),
            of_base=Ratio.of(turns[name], turns.get(bases[name], ())),
            ours={each: Ratio.of(turns.get(each, ()), turns[name]) for each in OURS},
            cpu_ms=_median(turns[name], "cpu_ms"),
            memory_mb=memory_mb[name],
            p50_ms=_median(turns[name], "p50_ms"),
            p95_ms=_median(turns[name], "p95_ms"),
            p99_ms=_median(turns[name], "p99_ms"),
            others=max(turn.others for turn in turns[name]),
        )
        for name in turns
        if turns[name]
    ]


def _median(turns: Sequence[Turn], what: str) -> float:
    return float(statistics.median(getattr(turn, what) for turn in turns))


def table(found: Sequence[Row], base: str) -> str:
    """In Markdown; `base`: what the rates are divided by."""
    lines = [
        f"| contender | fps | of {base} (rounds) | ours / it | ours-2 / it | CPU ms | MB | p50/p95/p99 ms | others |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        bare = row.name.startswith("bare")
        ratios = [str(row.of_base or "-"), *("-" if row.name == name else _short(row.ours[name]) for name in OURS)]
        times = f"{row.p50_ms:.2f}/{row.p95_ms:.2f}/{row.p99_ms:.2f}"
        cells = [
            f"{row.name}{' (invoke)' if bare else ''}",
            f"{row.fps:.1f}",
            *ratios,
            f"{row.cpu_ms:.2f}",
            f"{row.memory_mb:.0f}",
            times,
            f"{row.others:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _short(ratio: Ratio | None) -> str:
    return f"{ratio.median:.2f}" if ratio else "-"


def same(reference: Answers, other: Answers) -> dict[str, Any]:
    """What another one said of the same pictures: how often the same, and how many results a picture."""
    pictures = sorted(set(reference) & set(other))
    return {
        "pictures": len(pictures),
        "same_best": sum(_agree(reference[place], other[place]) for place in pictures),
        "same_labels": sum(_labels(reference[place]) == _labels(other[place]) for place in pictures),
        "results": round(statistics.fmean(len(other[place]) for place in pictures), 2) if pictures else 0.0,
    }


def _best(said: Sequence[Mapping[str, Any]]) -> set[str]:
    """Labels of the best, and of what is as good: quantised scores are often equal."""
    top = max((one["score"] for one in said), default=0.0)
    return {one["label"] for one in said if one["score"] >= top - TIED}


def _agree(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    return bool(_best(one) & _best(other)) or not (one or other)


def _labels(said: Sequence[Mapping[str, Any]]) -> Counter[str]:
    return Counter(one["label"] for one in said)


def agreement(said: Mapping[str, Any]) -> str:
    """That as a sentence."""
    return (
        f"{said['results']:g} results a picture, on {said['same_best']} of {said['pictures']} the same best one, "
        f"on {said['same_labels']} the same labels"
    )
