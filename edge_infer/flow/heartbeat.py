"""Whether a thread makes progress, told without a lock that it could hold while it hangs."""

import time
from typing import NamedTuple, Self

from edge_infer.flow.standstills import Standstills

NEVER = Standstills()


class Act(NamedTuple):
    """Something that may block: what, since when (monotonic), and how long (s) it may take."""

    what: str
    began_ns: int
    limit_s: float

    def lasts_s(self, standstills: Standstills, since_ns: int = 0) -> float:
        """How long it goes on without `standstills`, counted from `since_ns` (monotonic) at the earliest."""
        return standstills.ran_s(max(self.began_ns, since_ns))


class Heartbeat:
    """What one thread is at: that thread writes, any other reads.

    Idle is not stuck: only an act that has begun can be overdue.

    Attributes:
        completed: acts that have ended, well or not
        act: what it is at now, None while it waits for work
    """

    def __init__(self) -> None:
        self.completed = 0
        self.act: Act | None = None

    def working(self, what: str, limit_s: float) -> Self:
        """Of a `with`: its block may hang, and should be over in `limit_s` seconds. No block lies in another."""
        self.act = Act(what, time.monotonic_ns(), limit_s)
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        self.act = None
        self.completed += 1

    def overdue(self, standstills: Standstills = NEVER, since_ns: int = 0) -> Act | None:
        """What takes too long; neither `standstills` count nor what was before `since_ns` (monotonic)."""
        act = self.act
        return act if act is not None and act.lasts_s(standstills, since_ns) > act.limit_s else None
