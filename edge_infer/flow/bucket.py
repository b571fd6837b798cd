"""A limit on how much happens in a second."""

import time
from collections.abc import Callable


class TokenBucket:
    """Lets `rate` things a second pass, and at most as many at once; what is larger passes and is paid for later."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = rate
        self._at = clock()

    def wait_s(self) -> float:
        """Seconds until something may pass; 0: now."""
        now = self._clock()
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return 0.0 if self._tokens > 0 else -self._tokens / self._rate + 1e-3

    def spend(self, amount: int) -> None:
        """So much passed."""
        self._tokens -= amount
