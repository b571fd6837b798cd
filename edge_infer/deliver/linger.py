"""Results that are made fast go out together: each message costs the device and the broker more than a result does."""

import time
from collections.abc import Callable


class Linger:
    """After all that waited was sent, what comes next waits until `seconds` have passed; the first does not wait.

    `hurry` and `must_wake` may be used by any thread, the rest by the sender's.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until = 0.0
        self._hurried = False
        self._noted = False  # something has come, and the sender will look again by itself

    def hurry(self) -> None:
        """Do not wait now."""
        self._hurried = True

    def must_wake(self) -> bool:
        """Whether the sender does not know yet that something has come; to be asked after that was put."""
        known, self._noted = self._noted, True
        return not known

    def is_over(self) -> bool:
        """Whether it is time to look for something to send; from then on it is, until it begins again."""
        if not self._hurried and self._clock() < self._until:
            return False
        self._hurried = self._noted = False
        self._until = 0.0
        return True

    def begin(self) -> None:
        """All was sent."""
        self._until = self._clock() + self._seconds

    def left_s(self, otherwise: float) -> float:
        """How long until the sender should look for what has come."""
        return max(0.0, self._until - self._clock()) if self._noted else otherwise
