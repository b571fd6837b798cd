"""How far from right thresholds are that come from short recordings, where it is known what is right."""

import numpy as np

from edge_infer.tools.fit_anomaly.threshold import DAY_S, threshold_for
from edge_infer.types import Array

PER_DAY = 24.0
TRIALS = 100
LENGTHS = (30, 180, 600, 3600)  # windows of 1 s
KINDS = {  # numbers that are squared and added up, correlation of neighbours, spread of their size
    "32 numbers alike": (32, 0.0, 0.0),
    "16 that follow each other": (16, 0.8, 0.0),
    "16 of changing size": (16, 0.0, 0.3),
    "32 of wildly changing size": (32, 0.0, 0.5),
}


def scores(count: int, numbers: int, correlation: float, changing: float, rng: np.random.Generator) -> Array:
    """Mean squares of normal numbers."""
    found = rng.standard_normal((count, numbers))
    for i in range(1, count if correlation else 0):
        found[i] = correlation * found[i - 1] + np.sqrt(1 - correlation**2) * found[i]
    squares: Array = np.mean(found**2, axis=1) * np.exp(changing * rng.standard_normal(count))
    return squares


def simulate() -> None:
    """Of the root, as it ships, and of the scores themselves."""
    rng = np.random.default_rng(0)
    print(f"\nthresholds for {PER_DAY:g} false alarms a day, of {TRIALS} recordings each: alarms a day on average, and")
    print("the threshold (median) as a multiple of the right one")
    print("| scores | distribution of | " + " | ".join(f"{length} windows" for length in LENGTHS) + " |")
    print("| --- | --- |" + " --- |" * len(LENGTHS))
    for name, kind in KINDS.items():
        many = np.sort(scores(500_000, *kind, rng))
        right = np.quantile(many, 1 - PER_DAY / DAY_S)
        for what, power in (("roots of scores, as it ships", 1), ("scores", 2)):
            cells = []
            for length in LENGTHS:
                found = np.array(
                    [
                        threshold_for(scores(length, *kind, rng) ** power, length, PER_DAY).score ** (1 / power)
                        for _ in range(TRIALS)
                    ]
                )
                alarms = (1 - np.searchsorted(many, found) / len(many)) * DAY_S
                cells.append(f"{alarms.mean():.0f}, x{np.median(found) / right:.2f}")
            print(f"| {name} | {what} | " + " | ".join(cells) + " |")
