"""How long stages take, in constant memory."""

import math
import threading
from bisect import bisect_right
from collections.abc import Mapping
from typing import Self

from edge_infer.wire.payloads import StageHealth

# Logarithmic buckets, each 5 % wider than the one before, from 1 us to 100 s: a percentile is known to 5 %.
FIRST_MS = 0.001
GROWTH = 1.05
LOG_GROWTH = math.log(GROWTH)
BUCKETS = 380  # FIRST_MS * GROWTH ** 380 = 112 s
EDGES = [FIRST_MS * GROWTH**bucket for bucket in range(1, BUCKETS)]


class Histogram:
    """Durations in logarithmic buckets."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total = 0
        self.max_ms = 0.0
        self.sum_ms = 0.0

    def add(self, ms: float) -> None:
        """Count one duration."""
        self.counts[bisect_right(EDGES, ms)] += 1
        self.total += 1
        self.sum_ms += ms
        if ms > self.max_ms:
            self.max_ms = ms

    def percentile(self, share: float) -> float:
        """The duration (ms) that `share` (0..1) of all stay below, to 5 %; 0 where there is none."""
        wanted = math.ceil(self.total * share)
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if seen >= wanted > 0:
                return min(FIRST_MS * GROWTH ** (bucket + 1), self.max_ms)
        return 0.0

    def below(self, ms: float) -> int:
        """How many lie below `ms`, to 5 %; never more than for a greater one."""
        return sum(self.counts[: max(0, round(math.log(ms / FIRST_MS) / LOG_GROWTH))]) if ms > 0 else 0

    def copy(self) -> Self:
        """What is counted now."""
        return self.since(None)

    def since(self, before: Self | None) -> Self:
        """What came after an earlier copy. Its longest is known to 5 %, unless it is the longest of all."""
        new = type(self)()
        new.counts = (
            [now - then for now, then in zip(self.counts, before.counts, strict=True)] if before else self.counts[:]
        )
        new.total = self.total - (before.total if before else 0)
        new.sum_ms = self.sum_ms - (before.sum_ms if before else 0.0)
        new.max_ms = self.max_ms
        if before and before.max_ms == self.max_ms:
            new.max_ms = new.percentile(1.0)
        return new


class StageTimes:
    """Durations by stage since the start; any thread may call it."""

    def __init__(self) -> None:
        self._stages: dict[str, Histogram] = {}
        self._lock = threading.Lock()

    def add(self, timings_ms: Mapping[str, float]) -> None:
        """Count one pass through the stages."""
        with self._lock:
            for stage, ms in timings_ms.items():
                histogram = self._stages.get(stage)
                if histogram is None:
                    self._stages[stage] = histogram = Histogram()
                histogram.add(ms)

    def copy(self) -> dict[str, Histogram]:
        """What is counted now."""
        with self._lock:
            return {stage: histogram.copy() for stage, histogram in self._stages.items()}


def summaries(now: Mapping[str, Histogram], before: Mapping[str, Histogram]) -> dict[str, StageHealth]:
    """What was counted between two copies; a stage without any is left out."""
    new = {stage: histogram.since(before.get(stage)) for stage, histogram in now.items()}
    return {stage: _summary(histogram) for stage, histogram in new.items() if histogram.total}


def _summary(histogram: Histogram) -> StageHealth:
    p50, p95, p99 = (round(histogram.percentile(share), 3) for share in (0.5, 0.95, 0.99))
    return StageHealth(count=histogram.total, p50=p50, p95=p95, p99=p99, max=round(histogram.max_ms, 3))
