"""What the messages of one pipeline share: their ids, and how many may begin."""

from collections import deque

from edge_infer.analyse.moments import Moment, has_passed

MINUTE_S = 60.0


class Reporter:
    """Gives ids to what begins, and counts what begins too often to be told.

    An id is made of the pipeline, the wall clock of the frame with which the event began, and a number that grows: the
    same results give the same ids, and a clock that is set back never gives one twice in a run.
    """

    def __init__(self, pipeline: str, max_per_minute: int | None) -> None:
        self._pipeline = pipeline
        self._max = max_per_minute
        self._begun: deque[float] = deque(maxlen=max_per_minute)
        self._number = 0
        self._untold = 0

    def admits(self, moment: Moment) -> bool:
        """True where one more may begin now; it counts as begun then."""
        if self._max is not None:
            if len(self._begun) == self._max and not has_passed(MINUTE_S, self._begun[0], moment.at_s):
                return False
            self._begun.append(moment.at_s)
        return True

    def leave_out(self) -> None:
        """Something has happened that is not told."""
        self._untold += 1

    def suppressed(self) -> dict[str, int]:
        """How many were left out since this was asked before, as a message has it; empty where none was."""
        untold, self._untold = self._untold, 0
        return {"suppressed": untold} if untold else {}

    def new_id(self, began: Moment) -> str:
        """Of an event that began then."""
        self._number += 1
        return f"{began.captured_at:.6f}-{self._pipeline}-{self._number}"
