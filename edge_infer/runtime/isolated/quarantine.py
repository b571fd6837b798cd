"""When an accelerator that failed is tried again."""

WORKED_S = 3.0  # a failure is forgotten when it has worked for so long since: only those in a row count
PAUSES_S = (0.0, 0.5, 1.0)  # after the first failures
REST_S = 30.0  # after one more; doubles each time
MAX_REST_S = 600.0
IMPATIENT_S = 5.0  # at most, where nothing else can do the work


class Quarantine:
    """A few failures are answered by trying again at once, more by a rest that grows. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._tried_again = 0.0

    def failed(self, now: float, *, patient: bool) -> float:
        """How long to wait until it is tried again."""
        if now - self._tried_again > WORKED_S:
            self._in_a_row = 0
        rests = self._in_a_row - len(PAUSES_S)
        pause = PAUSES_S[self._in_a_row] if rests < 0 else min(MAX_REST_S, REST_S * 2 ** min(rests, 10))
        if rests >= 0 and not patient:
            pause = min(pause, IMPATIENT_S)
        self._in_a_row += 1
        self._tried_again = now + pause
        return pause
