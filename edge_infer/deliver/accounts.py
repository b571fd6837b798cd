"""Which records are held, where, and what became of the others. No lock and no I/O: `Outbox` has the one, `Keeper` the
other.

`recovered + put == waiting + in_flight + acknowledged + evicted` at every moment.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_infer.deliver.gaps import Gaps
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.records import Chunk
from edge_infer.deliver.shelf import Shelf
from edge_infer.wire.topics import Kind

MAX_RAM_BYTES = 16_000_000  # of records that are in RAM only
SHARES = {Kind.HEALTH: 0.1, Kind.RESULT: 0.9, Kind.EVENT: 1.0}  # of the caps, for this kind and all below it

# Reasons of gaps, as subscribers read them (docs/wire.md).
FULL, TOO_LARGE, TOO_OLD = "outbox full", "too large", "too old"
NO_DISK, DAMAGED, DROPPED, POWER = "no disk", "outbox damaged", "dropped by an operator", "power"


@dataclass(slots=True)
class OutboxCounts:
    """What became of the records so far."""

    put: int = 0
    recovered: int = 0
    waiting: int = 0
    in_flight: int = 0
    acknowledged: int = 0
    evicted: int = 0
    resent: int = 0
    stored: int = 0


class Accounts:
    """Each record that is held lies in one chunk, each chunk on the shelf of its kind.

    Attributes:
        fresh: chunks that are in RAM only, oldest first
        growing: of these, the one that new records of a kind go into
        deletes: rows on the disk that nothing is held of any more
        held_bytes: what the caps count: compressed on the disk, or in RAM
        fresh_bytes: those in RAM only
        loaded_bytes: records in RAM that are on the disk, too
    """

    def __init__(self, limits: OutboxSettings, *, durable: bool) -> None:
        self.limits = limits
        self.durable = durable
        self.counts = OutboxCounts()
        self.gaps = Gaps()
        self.shelves = {kind: Shelf() for kind in Kind}
        self.fresh: dict[tuple[Kind, int, int], Chunk] = {}
        self.growing: dict[Kind, Chunk] = {}
        self.deletes: list[int] = []
        self.held_bytes = 0
        self.fresh_bytes = 0
        self.loaded_bytes = 0

    def chunks(self) -> Iterator[Chunk]:
        """All of them; they may be evicted meanwhile."""
        for shelf in self.shelves.values():
            yield from list(shelf.chunks)

    def overlapping(self, epoch: int, first: int, last: int) -> list[Chunk]:
        """Those that hold some of these numbers."""
        return [chunk for shelf in self.shelves.values() for chunk in shelf.overlapping(epoch, first, last)]

    def cap(self, kind: Kind) -> float:
        """Bytes that this kind and those below it may take."""
        return SHARES[kind] * self.limits.max_bytes

    def wait(self, chunk: Chunk, first: int, last: int) -> int:
        """These numbers of the chunk wait to be sent; returns how many did not before."""
        new = chunk.waiting.add(first, last)
        self.counts.waiting += new
        self.shelves[chunk.kind].queue(chunk)
        return new

    def settle(self, chunk: Chunk, first: int, last: int) -> int:
        """These numbers of the chunk are not held any more; returns how many they were."""
        parts = chunk.held.within(first, last)
        waiting = chunk.waiting.remove(first, last)
        rows = chunk.held.remove(first, last)
        self.counts.waiting -= waiting
        self.counts.in_flight -= rows - waiting
        self.shelves[chunk.kind].rows -= rows
        if chunk.row is not None:
            self.counts.stored -= rows
        if chunk.records is not None:
            freed = sum(chunk.records.pop(seq).size for a, b in parts for seq in range(a, b + 1))
            if chunk.row is None:
                self.resize(chunk, chunk.size - freed)
            else:
                self.loaded_bytes -= freed
        if not chunk.held:
            self._discard(chunk)
        return rows

    def make_room(self) -> None:
        """Give up the oldest of the least important, until all caps hold."""
        while (kind := self._over()) is not None:
            lowest = next(self.shelves[k] for k in Kind if k <= kind and self.shelves[k].chunks)
            self.evict(lowest.chunks[0], FULL)
        while self.fresh_bytes > MAX_RAM_BYTES:
            oldest = min(self.fresh.values(), key=lambda chunk: (chunk.kind, chunk.key))
            self.evict(oldest, NO_DISK if self.durable else FULL)

    def _over(self) -> Kind | None:
        held_bytes = rows = 0
        for kind in Kind:
            held_bytes += self.shelves[kind].bytes
            rows += self.shelves[kind].rows
            if held_bytes > self.cap(kind) or rows > SHARES[kind] * self.limits.max_rows:
                return kind
        return None

    def evict(self, chunk: Chunk, reason: str) -> None:
        """Give up all that the chunk holds."""
        self.gap(chunk, list(chunk.held), reason)
        self.settle(chunk, chunk.first, chunk.held.highest)

    def gap(self, chunk: Chunk, parts: Iterable[tuple[int, int]], reason: str) -> None:
        """Report these numbers of the chunk as given up."""
        for first, last in parts:
            self.gaps.add(chunk.epoch, first, last, reason)
            self.counts.evicted += last - first + 1

    def resize(self, chunk: Chunk, size: int) -> None:
        """The chunk takes so many bytes now."""
        self.shelves[chunk.kind].bytes += size - chunk.size
        self.held_bytes += size - chunk.size
        if chunk.row is None:
            self.fresh_bytes += size - chunk.size
        chunk.size = size

    def unload(self, chunk: Chunk) -> None:
        """Its records are on the disk: that is enough."""
        self.loaded_bytes -= chunk.loaded_bytes
        chunk.records = None

    def _discard(self, chunk: Chunk) -> None:
        self.shelves[chunk.kind].remove(chunk)
        self.resize(chunk, 0)
        self.fresh.pop((chunk.kind, *chunk.key), None)
        if self.growing.get(chunk.kind) is chunk:
            del self.growing[chunk.kind]
        if chunk.row is not None:
            self.deletes.append(chunk.row)
