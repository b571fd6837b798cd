"""Areas under the curve and rates, each with an interval."""

from dataclasses import dataclass

import numpy as np

from edge_infer.types import Array

RESAMPLES = 500


@dataclass(frozen=True)
class Area:
    """The chance that something unusual has the higher score, and the 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def area(normal: Array, unusual: Array, block: int) -> Area:
    """AUROC of scores in the order of their time; resampled in blocks, because neighbours resemble each other."""
    rng = np.random.default_rng(0)
    parts = [[scores[i : i + block] for i in range(0, len(scores), block)] for scores in (normal, unusual)]
    found = []
    for _ in range(RESAMPLES):
        one, other = (np.concatenate([part[i] for i in rng.integers(0, len(part), len(part))]) for part in parts)
        found.append(_area(one, other))
    low, high = np.quantile(found, [0.025, 0.975])
    return Area(_area(normal, unusual), float(low), float(high))


def _area(normal: Array, unusual: Array) -> float:
    """Source: Mann & Whitney, 1947; ties count half."""
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, unusual, "left") + np.searchsorted(ordered, unusual, "right")
    return float(below.mean() / (2 * len(normal)))
