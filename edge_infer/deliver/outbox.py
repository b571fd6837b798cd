"""Results that have been made and not yet been acknowledged.

This one lives in RAM: a power cut or a kill loses what waits. The interface is the seam for one on disk.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from edge_infer.wire.payloads import Gap

MAX_BATCH_ROWS = 50  # beyond this a bigger message saves nothing more (collector rate, docs/adr/0004)
MAX_BATCH_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class Record:
    """One result on its way: its pipeline, its sequence number, its JSON."""

    pipeline: str
    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one pipeline: one message."""

    records: tuple[Record, ...]

    @property
    def pipeline(self) -> str:
        """Whose results these are."""
        return self.records[0].pipeline

    @property
    def first_seq(self) -> int:
        """Sequence number of the first."""
        return self.records[0].seq


@dataclass(slots=True)
class OutboxCounts:
    """What became of the records so far; `put == waiting + in_flight + acknowledged + evicted`."""

    put: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    in_flight: int = 0
    acknowledged: int = 0
    evicted: int = 0


class Outbox(Protocol):
    """Keeps records until they are acknowledged. `put` from any thread, the rest from the sender's alone."""

    epoch: int
    boot: str
    counts: OutboxCounts

    def put(self, pipeline: str, payload: bytes) -> int:
        """Keep a record; returns its sequence number."""
        ...

    def take(self) -> Batch | None:
        """The oldest records that wait, now in flight; None if nothing waits."""
        ...

    def acknowledge(self, batch: Batch) -> None:
        """It arrived."""
        ...

    def release(self, batch: Batch) -> None:
        """It may not have arrived: it waits again, before all that is younger."""
        ...

    def take_gaps(self) -> tuple[Gap, ...]:
        """Evicted ranges that have not been reported yet."""
        ...

    def restore_gaps(self, gaps: tuple[Gap, ...]) -> None:
        """The report may not have arrived: report them again."""
        ...


@dataclass
class MemoryOutbox:
    """Bounded RAM; when it is full the oldest waiting record is evicted and its gap recorded."""

    epoch: int
    boot: str
    max_bytes: int = 16_000_000
    counts: OutboxCounts = field(default_factory=OutboxCounts)

    def __post_init__(self) -> None:
        self._waiting: deque[Record] = deque()
        self._gaps: list[Gap] = []
        self._lock = threading.Lock()

    def put(self, pipeline: str, payload: bytes) -> int:
        """Keep a record, evicting older ones if there is no room; returns its sequence number."""
        with self._lock:
            self.counts.put += 1
            record = Record(pipeline, self.counts.put, payload)
            self._waiting.append(record)
            self.counts.waiting += 1
            self.counts.waiting_bytes += len(payload)
            while self.counts.waiting_bytes > self.max_bytes and self.counts.waiting > 1:
                self._evict(self._waiting.popleft())
            return record.seq

    def take(self) -> Batch | None:
        """The oldest consecutive records of one pipeline, within the limits of a batch."""
        with self._lock:
            if not self._waiting:
                return None
            taken = [self._waiting.popleft()]
            size = len(taken[0].payload)
            while self._waiting and len(taken) < MAX_BATCH_ROWS:
                following = self._waiting[0]
                size += len(following.payload)
                if not _continues(taken[-1], following) or size > MAX_BATCH_BYTES:
                    break
                taken.append(self._waiting.popleft())
            batch = Batch(tuple(taken))
            self._move(batch, waiting=-1, in_flight=+1)
            return batch

    def acknowledge(self, batch: Batch) -> None:
        """Forget the batch."""
        with self._lock:
            self._move(batch, waiting=0, in_flight=-1)
            self.counts.acknowledged += len(batch.records)

    def release(self, batch: Batch) -> None:
        """Let the batch wait again; the order of sequence numbers is kept."""
        with self._lock:
            younger = []
            while self._waiting and self._waiting[0].seq < batch.first_seq:
                younger.append(self._waiting.popleft())
            self._waiting.extendleft(reversed(batch.records))
            self._waiting.extendleft(reversed(younger))
            self._move(batch, waiting=+1, in_flight=-1)

    def take_gaps(self) -> tuple[Gap, ...]:
        """Evicted ranges that have not been reported yet."""
        with self._lock:
            gaps, self._gaps = tuple(self._gaps), []
            return gaps

    def restore_gaps(self, gaps: tuple[Gap, ...]) -> None:
        """Report these again."""
        with self._lock:
            self._gaps[:0] = gaps

    def _move(self, batch: Batch, *, waiting: int, in_flight: int) -> None:
        rows = len(batch.records)
        self.counts.waiting += waiting * rows
        self.counts.in_flight += in_flight * rows
        self.counts.waiting_bytes += waiting * sum(len(record.payload) for record in batch.records)

    def _evict(self, record: Record) -> None:
        self.counts.waiting -= 1
        self.counts.waiting_bytes -= len(record.payload)
        self.counts.evicted += 1
        last = self._gaps[-1] if self._gaps else None
        if last and last.last == record.seq - 1:
            self._gaps[-1] = Gap(epoch=self.epoch, first=last.first, last=record.seq, reason=last.reason)
        else:
            self._gaps.append(Gap(epoch=self.epoch, first=record.seq, last=record.seq, reason="outbox full"))


def _continues(record: Record, following: Record) -> bool:
    return following.pipeline == record.pipeline and following.seq == record.seq + 1
