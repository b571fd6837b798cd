"""Records that have been made and not yet been acknowledged.

Each lies in one chunk until it is acknowledged (a row somewhere else) or evicted (inside a gap, which is itself
delivered).
"""

import threading
import time
from collections.abc import Iterable, Sequence

from edge_infer.deliver.accounts import DAMAGED, DROPPED, TOO_LARGE, TOO_OLD, Accounts, OutboxCounts
from edge_infer.deliver.commit import Commit, begin_commit, finish_commit
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.records import CHUNK_BYTES, CHUNK_ROWS, Batch, Chunk, Record
from edge_infer.wire.payloads import ClockState, Gap
from edge_infer.wire.topics import Kind

MAX_BATCH_ROWS = 50  # beyond this a bigger message saves nothing more (collector rate, docs/adr/0004)
MAX_BATCH_BYTES = 64_000
BACKLOG_ROWS = 500  # fewer go out at once and in order, whatever the limits of a backlog
URGENT_BYTES = 4_000_000  # in RAM only: the disk should take them at once


class Outbox:
    """Keeps records until they are acknowledged. Any thread may call any method.

    Attributes:
        changed: notified when the disk has something to do, or has done it; its lock is that of everything here
        durable: a disk takes what waits; without one all is in RAM
        trouble: why the disk takes nothing now, in a sentence
        urgent: the disk should take what waits at once
        committed_seq: numbers up to this one are on the disk, acknowledged, or in a gap that is
    """

    def __init__(self, epoch: int, boot: str, limits: OutboxSettings | None = None, *, durable: bool = False) -> None:
        self.epoch = epoch
        self.boot = boot
        self.limits = limits or OutboxSettings()
        self.durable = durable
        self.trouble: str | None = None
        self.changed = threading.Condition(threading.Lock())
        self.urgent = False
        self.committed_seq = 0
        self._accounts = Accounts(self.limits, durable=durable)
        self._boots = {epoch: boot}
        self._online = False

    @property
    def counts(self) -> OutboxCounts:
        """What became of the records."""
        return self._accounts.counts

    @property
    def held_bytes(self) -> int:
        """What the caps count."""
        return self._accounts.held_bytes

    @property
    def fresh_bytes(self) -> int:
        """Bytes of records that are in RAM only."""
        return self._accounts.fresh_bytes

    @property
    def oldest(self) -> tuple[int, int] | None:
        """(epoch, seq) of the oldest that is held or in a gap that was not acknowledged: all before are settled."""
        with self.changed:
            chunks = [shelf.chunks[0] for shelf in self._accounts.shelves.values() if shelf.chunks]
            keys = [(chunk.epoch, chunk.held.lowest) for chunk in chunks]
            gap = self._accounts.gaps.oldest
            return min([*keys, *([gap] if gap else [])], default=None)

    def oldest_record(self) -> Record | None:
        """The oldest record that is held, if it is in RAM."""
        with self.changed:
            chunks = [shelf.chunks[0] for shelf in self._accounts.shelves.values() if shelf.chunks]
            return min(chunks, key=lambda chunk: chunk.key).oldest if chunks else None

    def boot_of(self, epoch: int) -> str | None:
        """Which start an epoch was; None if nothing is known of it."""
        return self._boots.get(epoch)

    def put(self, kind: Kind, pipeline: str, payload: bytes, clock: ClockState = "synced") -> int:
        """Keep a record, giving up older ones if there is no room; returns its sequence number."""
        accounts = self._accounts
        with self.changed:
            accounts.counts.put += 1
            record = Record(accounts.counts.put, pipeline, clock, time.monotonic(), payload)
            if record.size > accounts.cap(kind):
                accounts.gaps.add(self.epoch, record.seq, record.seq, TOO_LARGE)
                accounts.counts.evicted += 1
                return record.seq
            self._append(kind, record)
            accounts.make_room()
            strict = self.limits.durability == "strict"
            if strict or kind == Kind.EVENT or accounts.fresh_bytes > URGENT_BYTES:
                self.urgent = True
                self.changed.notify_all()
            return record.seq

    def _append(self, kind: Kind, record: Record) -> None:
        accounts = self._accounts
        chunk = accounts.growing.get(kind)
        if chunk is None or record.seq - chunk.first >= CHUNK_ROWS or chunk.size >= CHUNK_BYTES:
            written_at = time.time() if record.clock == "synced" else None
            chunk = Chunk(kind, self.epoch, record.seq, live=self._online, written_at=written_at)
            chunk.made_at = record.put_at
            accounts.growing[kind] = chunk
            accounts.fresh[kind, *chunk.key] = chunk
            accounts.shelves[kind].chunks.append(chunk)
        assert chunk.records is not None  # noqa: S101 - one that grows is in RAM
        chunk.records[record.seq] = record
        chunk.held.add(record.seq, record.seq)
        accounts.shelves[kind].rows += 1
        accounts.resize(chunk, chunk.size + record.size)
        accounts.wait(chunk, record.seq, record.seq)

    def online(self, online: bool) -> None:
        """The connection is there: what is made from now on goes out before a backlog; or it is gone."""
        with self.changed:
            self._online = online
            self._accounts.growing.clear()
            for shelf in self._accounts.shelves.values():
                if not online:
                    shelf.all_to_backlog()
                elif self.counts.waiting <= BACKLOG_ROWS:
                    shelf.all_to_live()

    def take(self, *, live: bool) -> Batch | None:
        """The oldest records that wait, the most important first, now in flight.

        None if nothing waits, or if it must be loaded from the disk first.
        """
        with self.changed:
            for kind in reversed(Kind):
                chunk = self._accounts.shelves[kind].next(live=live)
                if chunk is not None and chunk.records is not None:
                    return self._cut(chunk, chunk.records)
                if chunk is not None:
                    self.changed.notify_all()  # the keeper loads it
            return None

    def _cut(self, chunk: Chunk, records: dict[int, Record]) -> Batch:
        first, end = next(iter(chunk.waiting))
        taken = [records[first]]
        size = len(taken[0].payload)
        for seq in range(first + 1, min(end, first + MAX_BATCH_ROWS - 1) + 1):
            record = records[seq]
            size += len(record.payload)
            if (record.pipeline, record.clock) != taken[0][1:3] or size > MAX_BATCH_BYTES:
                break
            taken.append(record)
        chunk.waiting.remove(first, taken[-1].seq)
        self.counts.waiting -= len(taken)
        self.counts.in_flight += len(taken)
        if chunk.attempt > 0:
            self.counts.resent += len(taken)
        if not chunk.waiting and chunk.row is not None:
            self._accounts.unload(chunk)
        return Batch(chunk.kind, chunk.epoch, self._boots.get(chunk.epoch, self.boot), tuple(taken), chunk.attempt)

    def acknowledge(self, epoch: int, first: int, last: int) -> int:
        """They are safe elsewhere; returns how many of them were held."""
        accounts = self._accounts
        with self.changed:
            rows = sum(accounts.settle(chunk, first, last) for chunk in accounts.overlapping(epoch, first, last))
            accounts.counts.acknowledged += rows
            return rows

    def release(self, epoch: int, first: int, last: int, attempt: int) -> None:
        """They may not have arrived: those that are held wait again; `attempt`: what their next batch shall say."""
        with self.changed:
            for chunk in self._accounts.overlapping(epoch, first, last):
                chunk.attempt = max(1, attempt)
                for start, end in chunk.held.within(first, last):
                    self.counts.in_flight -= self._accounts.wait(chunk, start, end)

    def give_up(self, epoch: int, first: int, last: int, reason: str) -> None:
        """They can never be delivered."""
        with self.changed:
            for chunk in self._accounts.overlapping(epoch, first, last):
                self._accounts.gap(chunk, chunk.held.within(first, last), reason)
                self._accounts.settle(chunk, first, last)

    def drop(self) -> int:
        """Give up all that is held, since an operator wants it; returns how many records."""
        with self.changed:
            before = self.counts.evicted
            for chunk in self._accounts.chunks():
                self._accounts.evict(chunk, DROPPED)
            return self.counts.evicted - before

    def expire(self, wall: float | None) -> None:
        """Give up what is older than the limit; `wall`: the time of day, None where it cannot be believed."""
        max_age_s = self.limits.max_age_s
        if max_age_s is None:
            return
        with self.changed:
            for shelf in self._accounts.shelves.values():
                while shelf.chunks and shelf.chunks[0].age_s(wall) > max_age_s:
                    self._accounts.evict(shelf.chunks[0], TOO_OLD)

    def take_gaps(self) -> tuple[Gap, ...]:
        """Ranges that were given up and are not on their way; those that the disk knows, where there is one."""
        with self.changed:
            return self._accounts.gaps.take(stored_only=self.durable and not self.trouble)

    def has_gaps(self) -> bool:
        """Some ranges that were given up are not on their way."""
        with self.changed:
            return self._accounts.gaps.unreported

    def release_gaps(self, gaps: tuple[Gap, ...]) -> None:
        """The report may not have arrived."""
        with self.changed:
            self._accounts.gaps.release(gaps)

    def acknowledge_gap(self, epoch: int, first: int) -> None:
        """The report is safe."""
        with self.changed:
            self._accounts.gaps.acknowledge(epoch, first)

    def wait_committed(self, seq: int, timeout: float) -> None:
        """Wait until the disk has this record and all before it; not where it is in trouble."""
        with self.changed:
            self.changed.wait_for(lambda: self.committed_seq >= seq or self.trouble is not None, timeout)

    def is_in_ram_only(self, seq: int) -> bool:
        """Whether a power cut would cost this record of the present epoch: it is held, and not on the disk."""
        with self.changed:
            chunks = self._accounts.overlapping(self.epoch, seq, seq)
            return any(chunk.row is None and seq in chunk.held for chunk in chunks)

    # What follows is for the keeper, which owns the disk.

    def restore(self, chunks: Sequence[Chunk], gaps: Iterable[Gap], boots: dict[int, str]) -> None:
        """What lay on the disk."""
        accounts = self._accounts
        with self.changed:
            self._boots = boots | self._boots
            for gap in gaps:
                accounts.gaps.restore(gap)
            for chunk in chunks:
                shelf = accounts.shelves[chunk.kind]
                shelf.insert(chunk)
                shelf.rows += chunk.held.count
                size, chunk.size = chunk.size, 0
                accounts.resize(chunk, size)
                accounts.counts.recovered += chunk.held.count
                accounts.counts.stored += chunk.held.count
                for first, last in chunk.held:
                    accounts.wait(chunk, first, last)
            accounts.make_room()

    def give_up_disk(self) -> None:
        """The disk has lost all that lay on it."""
        with self.changed:
            for chunk in self._accounts.chunks():
                if chunk.row is not None:
                    self._accounts.evict(chunk, DAMAGED)
            self._accounts.deletes.clear()
            self._accounts.gaps.forget_disk()

    def fresh_since(self) -> float | None:
        """Monotonic: when the oldest record was made that is in RAM only; None if there is none."""
        with self.changed:
            return min((r.put_at for chunk in self._accounts.fresh.values() if (r := chunk.oldest)), default=None)

    def wait_for_work(self, timeout: float, stopping: threading.Event, *, readable: bool) -> None:
        """Wait until the disk has something to do, at most so long; `readable`: it can load what is wanted."""

        def is_due() -> bool:
            urgent = self.urgent and self.trouble is None
            return stopping.is_set() or urgent or (readable and bool(self._wanted()))

        with self.changed:
            self.changed.wait_for(is_due, timeout)

    def begin_commit(self, *, grow: bool = True, always: bool = False) -> Commit | None:
        """What the disk does not know yet; None if it knows all. Ends with `committed` or `not_committed`.

        `grow`: False where new records stay in RAM. `always`: even if only the last settled number is news.
        """
        with self.changed:
            self.urgent = self.urgent and not grow  # what was put a moment ago is not in a commit that only cleans up
            fresh = [chunk.held.lowest for chunk in self._accounts.fresh.values()]
            settled = self.counts.put if grow else min(fresh, default=self.counts.put + 1) - 1
            return begin_commit(self._accounts, settled, grow=grow, always=always and settled > self.committed_seq)

    def committed(self, commit: Commit, rows: Sequence[tuple[int, int]]) -> None:
        """It is on the disk; `rows`: (row, bytes of its data) of each written chunk."""
        with self.changed:
            finish_commit(self._accounts, commit, rows)
            self.committed_seq = max(self.committed_seq, commit.settled)
            self.changed.notify_all()

    def not_committed(self, commit: Commit) -> None:
        """The disk took nothing of it."""
        with self.changed:
            self._accounts.deletes[:0] = commit.deletes
            self._accounts.gaps.not_written(commit.gaps, commit.gaps_deleted)

    def wanted(self) -> list[Chunk]:
        """Chunks that should be loaded: their turn has come."""
        with self.changed:
            return self._wanted()

    def _wanted(self) -> list[Chunk]:
        return [chunk for kind in reversed(Kind) for chunk in self._accounts.shelves[kind].to_load()]

    def loaded(self, chunk: Chunk, records: Iterable[Record]) -> None:
        """The records of a chunk, from the disk; if some are missing there, it is given up."""
        with self.changed:
            if chunk.records is not None or not chunk.held:
                return
            found = {record.seq: record for record in records if record.seq in chunk.held}
            if len(found) < chunk.held.count:
                self._accounts.evict(chunk, DAMAGED)
                return
            chunk.records = found
            self._accounts.loaded_bytes += chunk.loaded_bytes
