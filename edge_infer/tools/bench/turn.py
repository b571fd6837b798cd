"""One share of a round, and what many of them amount to."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_infer.tools.bench.record import Better, Curve, Figure


@dataclass(frozen=True, slots=True)
class Turn:
    """What was done and how long it took, without its warm-up.

    Attributes:
        cpu_seconds: of all threads of this process
        began, ended: on the monotonic clock, s: for what else was measured meanwhile
        ms: durations, by what they are of
        counts: by what was counted
        threads_s: CPU seconds by what threads do
    """

    frames: int
    seconds: float
    cpu_seconds: float
    began: float
    ended: float
    ms: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    threads_s: dict[str, float] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU time of each frame."""
        return self.cpu_seconds * 1e3 / max(1, self.frames)


def figure(turns: Sequence[Turn], of: Callable[[Turn], float], unit: str, better: Better) -> Figure:
    """The median of the rounds."""
    rounds = tuple(round(of(turn), 4) for turn in turns)
    return Figure(value=round(statistics.median(rounds), 4), unit=unit, better=better, rounds=rounds)


def together(turns: Sequence[Turn], name: str) -> list[float]:
    """The durations (ms) of all rounds."""
    return [ms for turn in turns for ms in turn.ms.get(name, ())]


def median_figure(turns: Sequence[Turn], name: str) -> Figure:
    """The median of the durations of all rounds; the rounds' own beside it."""
    found = together(turns, name)
    if not found:
        return Figure(value=None, unit="ms", better="lower", reason="nothing was measured")
    rounds = tuple(round(statistics.median(turn.ms[name]), 4) for turn in turns if turn.ms.get(name))
    return Figure(value=round(statistics.median(found), 4), unit="ms", better="lower", rounds=rounds, n=len(found))


def curve(durations_ms: Sequence[float]) -> Curve:
    """How they, of which there is at least one, are spread."""
    values = np.percentile(durations_ms, np.linspace(0, 100, 1001))
    return Curve(n=len(durations_ms), thousandths_ms=tuple(round(float(value), 4) for value in values))


def medians(turns: Sequence[Turn], names: Sequence[str]) -> dict[str, float]:
    """The median (ms) of each that was measured."""
    found = {name: together(turns, name) for name in names}
    return {name: round(statistics.median(values), 4) for name, values in found.items() if values}
