"""From which score on something is an anomaly: by how often normal things may reach it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_infer.types import Array

BLOCKS = 20  # neighbours resemble each other, so of each block of the recording only the highest score counts
SURE = 0.95  # of intervals
RESAMPLES = 400
EULER = 0.5772156649015329  # Source: the mean of the standard Gumbel distribution
DAY_S = 86400.0


@dataclass(frozen=True)
class Threshold:
    """`score` is reached `per_day` times, as is estimated; another recording would have given another one.

    Attributes:
        lowest, highest: between which it would lie in 95 % of such recordings
    """

    score: float
    per_day: float
    lowest: float
    highest: float


def threshold_for(scores: Array, seconds: float, per_day: float) -> Threshold:
    """The score that normal things reach `per_day` times, of scores `(n,)` that were recorded over so many seconds.

    The roots of the highest scores of blocks (a score is a squared distance) are taken for a Gumbel distribution,
    fitted by L-moments. Of sums of squares, alike, correlated or of changing size, the threshold so found lies 1.0 to
    1.9 times where it should for 1 a day, with 0 to 3.5 alarms on average; without the root it is too low where sizes
    change (up to 40), with logarithms up to 12 times too high (simulated, docs/anomaly.md). Source: Hosking,
    "L-moments", 1990; Coles, "An Introduction to Statistical Modeling of Extreme Values", 2001, chapter 3.
    """
    blocks = np.array_split(np.sqrt(scores), BLOCKS)
    highest = np.array([block.max() for block in blocks])
    rarity = math.log(DAY_S * BLOCKS / (per_day * seconds))  # -ln of the chance that a block reaches it
    rng = np.random.default_rng(0)
    resampled = [_exceeded(rng.choice(highest, BLOCKS), rarity) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, [(1 - SURE) / 2, (1 + SURE) / 2])
    return Threshold(
        score=_exceeded(highest, rarity) ** 2,
        per_day=per_day,
        lowest=float(low) ** 2,
        highest=float(high) ** 2,
    )


def _exceeded(highest: Array, rarity: float) -> float:
    """What a block reaches with the chance exp(-rarity), where these are the highest of BLOCKS of them."""
    ordered = np.sort(highest)
    weights = np.arange(BLOCKS) / (BLOCKS - 1)
    second = float(2 * np.mean(weights * ordered) - ordered.mean())
    spread = second / math.log(2)
    return float(ordered.mean()) - EULER * spread + spread * rarity


def alarm_rate(alarms: int, seconds: float) -> tuple[float, float]:
    """Between how many alarms a day the rate lies, where so many were counted: 95 % of such intervals hold the truth.

    Source: Garwood, "Fiducial Limits for the Poisson Distribution", 1936.
    """
    tail = (1 - SURE) / 2
    low = _mean_where(lambda mean: 1 - _at_most(alarms - 1, mean), tail) if alarms else 0.0
    high = _mean_where(lambda mean: 1 - _at_most(alarms, mean), 1 - tail)
    return low * DAY_S / seconds, high * DAY_S / seconds


def _at_most(count: int, mean: float) -> float:
    """The chance of at most so many, of a Poisson distribution."""
    return math.fsum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(count + 1))


def _mean_where(rises: Callable[[float], float], value: float) -> float:
    """Where a function that rises has this value."""
    low, high = 1e-12, 1.0
    while rises(high) < value:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) < value else (low, middle)
    return high
