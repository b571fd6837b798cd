"""When an accelerator that failed is tried again."""

from collections import deque

WORKED_S = 3.0  # a failure is forgotten when it has worked for so long since: only those in a row count
PAUSES_S = (0.0, 0.5, 1.0)  # after the first failures
REST_S = 30.0  # after one more; doubles each time
MAX_REST_S = 600.0
IMPATIENT_S = 5.0  # at most, where nothing else can do the work


class Quarantine:
    """A few failures are answered by trying again at once, more by a rest that grows. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._tried_again: deque[float] = deque(maxlen=len(PAUSES_S))
        self._rests = 0

    def failed(self, now: float, *, patient: bool) -> float:
        """How long to wait until it is tried again."""
        while self._tried_again and now - self._tried_again[0] > WORKED_S:
            self._tried_again.popleft()
        if not self._tried_again:
            self._rests = 0
        if len(self._tried_again) < len(PAUSES_S):
            pause = PAUSES_S[len(self._tried_again)]
        else:
            pause = min(MAX_REST_S, REST_S * 2**self._rests)
            self._rests += 1
            pause = pause if patient else min(pause, IMPATIENT_S)
        self._tried_again.append(now + pause)
        return pause
