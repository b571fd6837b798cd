"""Which records are sent next, and what becomes of them: lanes, resending, acknowledgements. No network here."""

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_infer.deliver.outbox import Outbox
from edge_infer.deliver.records import Batch
from edge_infer.flow.bucket import TokenBucket
from edge_infer.wire.payloads import Ack, Gap

MAX_AWAITING = 80  # batches of the backlog that a collector has not acknowledged: 4000 results, 4 windows
BACKLOG_TURN = 4  # one in so many sends goes to the backlog first, the others to what is live
MAX_RESEND_S = 600.0


@dataclass(frozen=True, slots=True)
class Awaited:
    """A batch that was sent and is not acknowledged."""

    last: int
    attempt: int
    due: float  # monotonic: when it is sent again


class Dispatch:
    """Used by the sender's thread alone.

    Attributes:
        by_collector: a record is safe when a collector has stored it, not when the broker has taken it
        heard_at: monotonic, when the last acknowledgement came that counts
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        by_collector: bool,
        resend_s: float,
        backlog_per_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.by_collector = by_collector
        self.heard_at = 0.0
        self._outbox = outbox
        self._resend_s = resend_s
        self._clock = clock
        self._bucket = TokenBucket(backlog_per_s, clock)
        self._awaited: dict[tuple[int, int], Awaited] = {}
        self._awaited_gaps: list[tuple[float, tuple[Gap, ...]]] = []  # (when they are reported again, which)
        self._due_at = math.inf  # nothing awaited is due before
        self._turn = 0

    def next(self) -> Batch | None:
        """What should be sent now."""
        self._turn += 1
        lanes = (self._backlog, self._live) if self._turn % BACKLOG_TURN == 0 else (self._live, self._backlog)
        batch = lanes[0]() or lanes[1]()
        if batch:
            due = self._clock() + self.resend_delay(batch.attempt)
            self._awaited[batch.epoch, batch.first] = Awaited(batch.last, batch.attempt, due)
            self._due_at = min(self._due_at, due)
        return batch

    def _live(self) -> Batch | None:
        return self._outbox.take(live=True)

    def _backlog(self) -> Batch | None:
        if len(self._awaited) >= MAX_AWAITING or self._bucket.wait_s():
            return None
        batch = self._outbox.take(live=False)
        if batch:
            self._bucket.spend(len(batch.records))
        return batch

    def resend_delay(self, attempt: int) -> float:
        """Seconds until a batch is sent again, if no acknowledgement comes."""
        return min(MAX_RESEND_S, self._resend_s * 2.0 ** min(attempt, 30))

    def wait_s(self) -> float:
        """Seconds until `next` may have something that it has not now, for reasons of time."""
        bucket_s = self._bucket.wait_s() or MAX_RESEND_S
        return min(bucket_s, max(0.0, self._due_at - self._clock())) if self.by_collector else bucket_s

    def accepted(self, batch: Batch) -> None:
        """The broker has taken it."""
        if not self.by_collector:
            self._awaited.pop((batch.epoch, batch.first), None)
            self._outbox.acknowledge(batch.epoch, batch.first, batch.last)
            self.heard_at = self._clock()

    def release(self, batch: Batch) -> None:
        """It did not get through, or may not have."""
        self._awaited.pop((batch.epoch, batch.first), None)
        self._outbox.release(batch.epoch, batch.first, batch.last, attempt=batch.attempt)

    def gaps_accepted(self, gaps: tuple[Gap, ...]) -> None:
        """The broker has taken their report."""
        if self.by_collector:
            due = self._clock() + self._resend_s
            self._awaited_gaps.append((due, gaps))
            self._due_at = min(self._due_at, due)
            return
        for gap in gaps:
            self._outbox.acknowledge_gap(gap.epoch, gap.first)

    def halves(self, batch: Batch) -> tuple[Batch, Batch]:
        """The same records as two batches."""
        whole = self._awaited.pop((batch.epoch, batch.first))
        middle = len(batch.records) // 2
        parts = [dataclasses.replace(batch, records=r) for r in (batch.records[:middle], batch.records[middle:])]
        for part in parts:
            self._awaited[part.epoch, part.first] = dataclasses.replace(whole, last=part.last)
        return parts[0], parts[1]

    def give_up(self, batch: Batch, reason: str) -> None:
        """It can never get through."""
        self._awaited.pop((batch.epoch, batch.first), None)
        self._outbox.give_up(batch.epoch, batch.first, batch.last, reason)

    def acknowledged(self, ack: Ack) -> bool:
        """A collector spoke; False if it means another device of our id."""
        outbox = self._outbox
        of_earlier_starts = bool(ack.ranges) and all(outbox.boot_of(epoch) == ack.boot for epoch, _, _ in ack.ranges)
        if ack.boot != outbox.boot and not of_earlier_starts:
            return False
        self.by_collector = True
        self.heard_at = self._clock()
        for epoch, first, last in ack.ranges:
            if outbox.boot_of(epoch) != ack.boot:
                continue
            outbox.acknowledge(epoch, first, last)
            done = [key for key, a in self._awaited.items() if key[0] == epoch and first <= key[1] and a.last <= last]
            for key in done:
                del self._awaited[key]
        for epoch, first in ack.gaps:
            outbox.acknowledge_gap(epoch, first)
        if not ack.ranges and not ack.gaps:  # it has just come: what was sent before may have gone nowhere
            self.release_all(attempt=1)
        return True

    def release_overdue(self) -> None:
        """Send again what was not acknowledged in time."""
        now = self._clock()
        if not self.by_collector or now < self._due_at:
            return
        for (epoch, first), awaited in list(self._awaited.items()):
            if awaited.due <= now:
                del self._awaited[epoch, first]
                self._outbox.release(epoch, first, awaited.last, attempt=awaited.attempt + 1)
        while self._awaited_gaps and self._awaited_gaps[0][0] <= now:
            self._outbox.release_gaps(self._awaited_gaps.pop(0)[1])
        dues = [awaited.due for awaited in self._awaited.values()] + [due for due, _ in self._awaited_gaps[:1]]
        self._due_at = min(dues, default=math.inf)

    def release_all(self, attempt: int) -> None:
        """Send again all that was not acknowledged: the connection is another, or a collector came back."""
        for (epoch, first), awaited in self._awaited.items():
            self._outbox.release(epoch, first, awaited.last, attempt=attempt)
        self._awaited.clear()
        for _, gaps in self._awaited_gaps:
            self._outbox.release_gaps(gaps)
        self._awaited_gaps.clear()
