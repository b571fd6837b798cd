"""How long to wait before trying again."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """Full-jitter exponential delays: uniform in `[0, min(cap, base * 2**attempt)]` seconds.

    Full jitter spreads a fleet that lost the same broker best.
    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    base: float = 0.5
    cap: float = 30.0
    attempt: int = 0
    uniform: Callable[[float, float], float] = random.uniform

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt; each call counts as one more failure."""
        ceiling = min(self.cap, self.base * 2.0 ** min(self.attempt, 60))
        self.attempt += 1
        return self.uniform(0.0, ceiling)

    def reset(self) -> None:
        """It worked: the next failure starts small again."""
        self.attempt = 0
