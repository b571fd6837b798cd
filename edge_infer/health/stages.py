"""How long stages take, in constant memory."""

import math
import threading

from edge_infer.wire.payloads import StageHealth

# Logarithmic buckets, each 5 % wider than the one before, from 1 us to 100 s: a percentile is known to 5 %.
FIRST_MS = 0.001
GROWTH = 1.05
LOG_GROWTH = math.log(GROWTH)
BUCKETS = 380  # FIRST_MS * GROWTH ** 380 = 112 s


class Histogram:
    """Durations in logarithmic buckets."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total = 0
        self.max_ms = 0.0

    def add(self, ms: float) -> None:
        """Count one duration."""
        bucket = int(math.log(ms / FIRST_MS) / LOG_GROWTH) if ms > FIRST_MS else 0
        self.counts[min(bucket, BUCKETS - 1)] += 1
        self.total += 1
        self.max_ms = max(self.max_ms, ms)

    def percentile(self, share: float) -> float:
        """The duration (ms) that `share` (0..1) of all stay below, to 5 %; 0 where there is none."""
        wanted = math.ceil(self.total * share)
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if seen >= wanted > 0:
                return min(FIRST_MS * GROWTH ** (bucket + 1), self.max_ms)
        return 0.0


class StageTimes:
    """Durations by stage since they were last taken."""

    def __init__(self) -> None:
        self._stages: dict[str, Histogram] = {}
        self._lock = threading.Lock()

    def add(self, timings_ms: dict[str, float]) -> None:
        """Count one pass through the stages."""
        with self._lock:
            for stage, ms in timings_ms.items():
                self._stages.setdefault(stage, Histogram()).add(ms)

    def take(self) -> dict[str, StageHealth]:
        """What was counted since the last call."""
        with self._lock:
            stages, self._stages = self._stages, {}
        return {stage: _summary(histogram) for stage, histogram in stages.items()}


def _summary(histogram: Histogram) -> StageHealth:
    p50, p95, p99 = (round(histogram.percentile(share), 3) for share in (0.5, 0.95, 0.99))
    return StageHealth(count=histogram.total, p50=p50, p95=p95, p99=p99, max=round(histogram.max_ms, 3))
