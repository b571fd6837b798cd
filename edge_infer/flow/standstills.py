"""When the whole process stood still: stopped, swapping, or in a machine that was suspended."""

import time
from collections import deque

STOOD_STILL_NS = 10**9  # whoever turns several times a second and is held up for so long was not alone in that
REMEMBERED = 256  # of a second or more each


class Standstills:
    """Spans in which no deadline runs, seen by a loop that is to turn several times a second."""

    def __init__(self) -> None:
        self._turned_ns = time.monotonic_ns()
        self._spans: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)

    def turn(self) -> None:
        """The loop turns."""
        now_ns = time.monotonic_ns()
        if now_ns - self._turned_ns > STOOD_STILL_NS:
            self._spans.append((self._turned_ns, now_ns))
        self._turned_ns = now_ns

    def ran_s(self, since_ns: int) -> float:
        """How long the process has run since then (monotonic), without what it stood still."""
        lost_ns = sum(max(0, end_ns - max(start_ns, since_ns)) for start_ns, end_ns in self._spans)
        return (time.monotonic_ns() - since_ns - lost_ns) / 1e9
