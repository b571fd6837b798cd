"""Whether this process grows, told from what comes and goes."""

import time
from collections import deque
from collections.abc import Sequence

SAMPLE_S = 60.0
WINDOW = 60  # samples: an hour
KNOWN_AFTER = 15  # samples; a slope over less is noise
SETTLE_S = 120.0  # libraries, caches and pools are filled in the first minutes: that is no leak


class Slope:
    """How fast one quantity grows, by an estimate that steps, spikes and saw teeth do not mislead; constant memory.

    Source: P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._slowest: float | None = None  # of the whole window and its halves
        self.per_hour: float | None = None  # the median slope between all pairs of samples; None: they are too few

    def add(self, at_s: float, value: float) -> None:
        """Note a sample; times ascend. Costs 2 ms with a full window."""
        self._samples.append((at_s, value))
        samples = list(self._samples)
        if len(samples) >= KNOWN_AFTER:
            self.per_hour = _theil_sen(samples)
        if len(samples) == WINDOW and self.per_hour is not None:
            halves = samples[: WINDOW // 2], samples[WINDOW // 2 :]
            self._slowest = min(self.per_hour, *map(_theil_sen, halves))

    def steadily_above(self, limit: float | None) -> bool:
        """True if a whole window is known, and it grew faster in all of it, in its first and in its second half."""
        return limit is not None and self._slowest is not None and self._slowest > limit


class Growth:
    """Memory and open files of this process."""

    def __init__(self) -> None:
        self.rss = Slope()
        self.files = Slope()
        self._due = time.monotonic() + SETTLE_S

    @property
    def is_due(self) -> bool:
        """True if a sample is wanted now."""
        return time.monotonic() >= self._due

    def add(self, rss_bytes: int, open_files: int) -> None:
        """Note what there is now."""
        now = time.monotonic()
        self._due = now + SAMPLE_S
        self.rss.add(now, rss_bytes)
        self.files.add(now, open_files)

    @property
    def rss_bytes_h(self) -> float | None:
        """Bytes that it gains in an hour; None while that is not known."""
        return self.rss.per_hour

    @property
    def open_files_h(self) -> float | None:
        """Open files that it gains in an hour; None while that is not known."""
        return self.files.per_hour


def _theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """Units in an hour."""
    slopes = [(y1 - y0) / (x1 - x0) for i, (x0, y0) in enumerate(points) for x1, y1 in points[i + 1 :] if x1 > x0]
    from statistics import median  # 2 ms, which the first result need not wait for

    return median(slopes) * 3600 if slopes else 0.0
