"""What waits for delivery: single records, the chunks they are kept in, the batches they are sent in."""

import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from edge_infer.wire.payloads import ClockState
from edge_infer.wire.ranges import Ranges
from edge_infer.wire.topics import Kind

CHUNK_ROWS = 100
CHUNK_BYTES = 64_000
ROW_OVERHEAD = 64  # bytes that a record takes in RAM beside its payload
CHUNK_OVERHEAD = 192  # bytes that a chunk takes on the disk beside its data: columns, its share of a page
LEVEL = 1  # of zlib: 30 results of 5 detections, 21 kB, become 4.5 kB in 0.2 ms


class Record(NamedTuple):
    """One result, event or health record: its JSON, and what its envelope must say of it."""

    seq: int
    pipeline: str
    clock: ClockState
    put_at: float  # monotonic seconds; 0 for one of an earlier start
    payload: bytes

    @property
    def size(self) -> int:
        """What the caps count while it is in RAM only."""
        return len(self.payload) + ROW_OVERHEAD


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one pipeline: one message."""

    kind: Kind
    epoch: int
    boot: str
    records: tuple[Record, ...]
    attempt: int  # 0: sent for the first time

    @property
    def pipeline(self) -> str:
        """Whose records these are."""
        return self.records[0].pipeline

    @property
    def first(self) -> int:
        """Sequence number of the first."""
        return self.records[0].seq

    @property
    def last(self) -> int:
        """Sequence number of the last."""
        return self.records[-1].seq


class Chunk:
    """Records of one kind and epoch that are committed, loaded and evicted together.

    Attributes:
        first: no record of it has a lower number, and none of the chunk before it a higher one
        held: numbers that are not yet acknowledged
        waiting: those of them that are not on their way
        records: by number; None: on the disk only
        size: bytes that count towards the caps
        row: where it lies on the disk, None while it is in RAM only
        made_at: monotonic, when it was made; None if that was before this start
        written_at: wall clock then, None if the clock was not synchronised
        live: made since the connection was: goes out before the backlog
    """

    __slots__ = (
        "attempt",
        "epoch",
        "first",
        "held",
        "kind",
        "live",
        "made_at",
        "queued",
        "records",
        "row",
        "size",
        "waiting",
        "written_at",
    )

    def __init__(self, kind: Kind, epoch: int, first: int, *, live: bool, written_at: float | None) -> None:
        self.kind = kind
        self.epoch = epoch
        self.first = first
        self.live = live
        self.made_at: float | None = None
        self.written_at = written_at
        self.held = Ranges()
        self.waiting = Ranges()
        self.records: dict[int, Record] | None = {}
        self.size = 0
        self.row: int | None = None
        self.attempt = 0
        self.queued = False  # it stands in a lane of the outbox

    @property
    def key(self) -> tuple[int, int]:
        """By which chunks of a kind are ordered."""
        return self.epoch, self.first

    @property
    def oldest(self) -> Record | None:
        """The oldest record that is held, where it is in RAM."""
        return self.records[self.held.lowest] if self.records and self.held else None

    def age_s(self, wall: float | None) -> float:
        """How old its records may be; `wall`: the time of day where it can be believed. 0 where nobody knows."""
        if self.made_at is not None:
            return time.monotonic() - self.made_at
        return wall - self.written_at if wall is not None and self.written_at is not None else 0.0

    @property
    def loaded_bytes(self) -> int:
        """What its records take in RAM."""
        return sum(record.size for record in (self.records or {}).values())

    def take_over(self, other: "Chunk") -> None:
        """Hold what the other one holds, which then has nothing that waits."""
        self.records = (self.records or {}) | (other.records or {})
        for first, last in other.held:
            self.held.add(first, last)
        for first, last in other.waiting:
            self.waiting.add(first, last)
            other.waiting.remove(first, last)


class PackedRow(NamedTuple):
    """A record as it lies in a chunk on the disk."""

    seq: int
    pipeline: str
    clock: ClockState
    payload: bytes


_ROWS = msgspec.msgpack.Decoder(list[PackedRow])


def pack(records: Iterable[Record]) -> bytes:
    """The records of a chunk, for the disk."""
    rows = [PackedRow(record.seq, record.pipeline, record.clock, record.payload) for record in records]
    return zlib.compress(msgspec.msgpack.encode(rows), LEVEL)


def unpack(data: bytes) -> Iterable[Record]:
    """The records of a chunk.

    Raises:
        ValueError: the data is damaged.
    """
    try:
        rows = _ROWS.decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"a chunk is damaged: {error}") from error
    return [Record(row.seq, row.pipeline, row.clock, 0.0, row.payload) for row in rows]


def age_s(record: Record) -> float | None:
    """Seconds since a record was made; None for one of an earlier start."""
    return time.monotonic() - record.put_at if record.put_at else None
