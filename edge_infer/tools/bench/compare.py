"""Two reports beside each other: which figures differ by more than their rounds do.

The ratio is the median of all ratios of a round of the one to a round of the other, and its spread the interval that
holds the true one in 99 of 100 cases, whatever the rounds' distribution. A figure is better or worse where that
interval leaves out 1, and the ratio departs from 1 by more than DRIFT.
Source: Hodges and Lehmann, "Estimates of location based on rank tests", 1963, with the interval of the Mann-Whitney
statistic (Hollander and Wolfe, "Nonparametric statistical methods", 4.3), on logarithms: a shift of these is a ratio.
"""

import statistics
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from edge_infer.tools.bench.record import Figure, ModelReport, Report

Verdict: TypeAlias = Literal["better", "worse", "within noise", "too few rounds"]
OUTSIDE = 0.005  # on each side of the interval: of the 30 figures of a report one in a hundred may be wrong, not two
# Chosen: what two runs differ by that is no noise within either, such as where memory happens to lie. Source: Mytkowicz
# and others, "Producing wrong data without doing anything obviously wrong", ASPLOS 2009, has several percent.
DRIFT = 0.03


class Compared(Struct, frozen=True, kw_only=True):
    """One figure of both: `ratio` is the second's to the first's, `low` and `high` the interval of it.

    Attributes:
        worse_percent: by how much the second is worse; negative: better
    """

    model: str
    scenario: str
    figure: str
    unit: str
    first: float
    second: float
    ratio: float
    low: float | None
    high: float | None
    worse_percent: float
    verdict: Verdict


def compare(first: Report, second: Report) -> list[Compared]:
    """What both have, in the order of the first."""
    others = {report.model: report for report in second.models}
    return [
        found for report in first.models if report.model in others for found in _compared(report, others[report.model])
    ]


def differences(first: Report, second: Report) -> list[str]:
    """What else is not the same: figures compare a change only where nothing else has changed."""
    found = []
    for name in ("board", "processor", "cores", "kernel", "governor", "runtime", "python", "numpy", "opencv", "commit"):
        one, other = getattr(first.machine, name), getattr(second.machine, name)
        if one != other:
            found.append(f"{name}: {one or 'unknown'}, then {other or 'unknown'}")
    for name in ("workers", "threads", "device", "fps", "seconds", "rounds", "picture"):
        one, other = getattr(first.settings, name), getattr(second.settings, name)
        if one != other:
            found.append(f"--{name}: {one}, then {other}")
    hashes = {report.model: report.facts.sha256 for report in second.models}
    found += [
        f"{model.model}: another file"
        for model in first.models
        if hashes.get(model.model, model.facts.sha256) != model.facts.sha256
    ]
    return found + [
        f"the {which} run was throttled: {', '.join(report.throttled)}"
        for which, report in (("first", first), ("second", second))
        if report.throttled
    ]


def _compared(first: ModelReport, second: ModelReport) -> Iterator[Compared]:
    others = {outcome.scenario: outcome for outcome in second.outcomes}
    for outcome in first.outcomes:
        other = others.get(outcome.scenario)
        for name, figure in outcome.figures.items() if other else ():
            match = other.figures.get(name) if other else None
            if match and figure.better != "neither" and figure.rounds and match.rounds:
                yield _judged(first.model, outcome.scenario, name, figure, match)


def _judged(model: str, scenario: str, name: str, one: Figure, other: Figure) -> Compared:
    ratio, low, high = ratio_of(one.rounds, other.rounds)
    worse = ratio - 1 if one.better == "lower" else 1 / ratio - 1
    verdict: Verdict = "within noise"
    if low is None or high is None:
        verdict = "too few rounds"
    elif not low <= 1.0 <= high and abs(ratio - 1) > DRIFT:
        verdict = "worse" if worse > 0 else "better"
    return Compared(
        model=model,
        scenario=scenario,
        figure=name,
        unit=one.unit,
        first=statistics.median(one.rounds),
        second=statistics.median(other.rounds),
        ratio=round(ratio, 4),
        low=None if low is None else round(low, 4),
        high=None if high is None else round(high, 4),
        worse_percent=round(worse * 100, 2),
        verdict=verdict,
    )


def ratio_of(first: Sequence[float], second: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The second's ratio to the first, all positive, and the interval that holds it; None where they are too few."""
    ratios = sorted(b / a for a in first for b in second)
    place = _place(len(first), len(second))
    middle = statistics.median(ratios)
    return (middle, ratios[place - 1], ratios[-place]) if place else (middle, None, None)


def _place(m: int, n: int) -> int:
    """Which of the m * n ratios, from either end, bounds the interval; 0: none does."""
    ways = _ways(m, n)
    total, seen, place = sum(ways), 0, 0
    for count in ways:
        seen += count
        if seen / total > OUTSIDE:
            break
        place += 1
    return place


def _ways(m: int, n: int) -> list[int]:
    """In how many orders of m and n values the Mann-Whitney statistic is 0, 1, ... m * n.

    The coefficients of the product over i = 1..m of (1 - x^(n + i)) / (1 - x^i).
    """
    ways = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        for place in range(m * n, n + i - 1, -1):
            ways[place] -= ways[place - n - i]
        for place in range(i, m * n + 1):
            ways[place] += ways[place - i]
    return ways
