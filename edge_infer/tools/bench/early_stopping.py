"""Percentiles that few samples can bear: a bound that the true one stays below, or the word that they do not suffice.

Source: LoadGen's early-stopping estimate (MLPerf Inference, early_stopping.adoc): the t-th highest of n latencies, with
the largest t for which BinomCDF(t; n, 1 - percentile) <= 1 - confidence.
"""

import math
from collections.abc import Sequence

from edge_infer.tools.bench.record import Figure

CONFIDENCE = 0.99  # Source: the same


def highest(n: int, share: float) -> int:
    """Which of n latencies, the highest being 1, bounds the percentile `share` (0..1); 0: n are too few."""
    unlikely, seen = 1.0 - CONFIDENCE, 0.0
    for over in range(n + 1):
        chosen = math.lgamma(n + 1) - math.lgamma(over + 1) - math.lgamma(n - over + 1)
        seen += math.exp(chosen + over * math.log1p(-share) + (n - over) * math.log(share))
        if seen > unlikely:
            return max(0, over - 1)
    return n


def needed(share: float) -> int:
    """How many latencies the percentile needs: 64 for 0.9, 662 for 0.99."""
    enough = 1
    while highest(enough, share) == 0:
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if highest(middle, share) else (middle, enough)
    return enough


def bound(latencies_ms: Sequence[float], share: float, rounds: Sequence[Sequence[float]] = ()) -> Figure:
    """What the percentile stays below in 99 of 100 such runs; null where the samples are too few.

    The `rounds` are told by what each has in its own place, which is no bound, but can be compared.
    """
    n = len(latencies_ms)
    place = highest(n, share)
    if place == 0:
        return Figure(value=None, unit="ms", better="lower", n=n, reason=f"needs {needed(share)} samples, has {n}")
    own = tuple(plain(each, share) for each in rounds if each)
    value = round(sorted(latencies_ms)[-place], 4)
    return Figure(value=value, unit="ms", better="lower", n=n, rounds=own)


def plain(latencies_ms: Sequence[float], share: float) -> float:
    """The latency (ms) that `share` of these, of which there is at least one, do not exceed."""
    ordered = sorted(latencies_ms)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 4)
