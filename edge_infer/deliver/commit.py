"""One transaction of the outbox: what goes to the disk, and what is different when it is there."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_infer.deliver.accounts import Accounts
from edge_infer.deliver.records import CHUNK_OVERHEAD, Chunk, Record
from edge_infer.deliver.shelf import Shelf
from edge_infer.wire.payloads import Gap

MAX_LOADED_BYTES = 2_000_000  # of records that are kept in RAM, too
TINY_ROWS = 8  # chunks with fewer records are folded into one, so that `strict` does not fill RAM with accounts
FOLD = 32  # ... when there are so many of them


@dataclass(frozen=True, slots=True)
class Write:
    """A chunk as it goes to the disk."""

    chunk: Chunk
    ranges: list[tuple[int, int]]
    records: list[Record]


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction."""

    writes: list[Write]
    deletes: list[int]
    gaps: list[Gap]
    gaps_deleted: list[tuple[int, int]]
    settled: int  # all numbers of this epoch up to here are on the disk, acknowledged, or in a gap


def begin_commit(accounts: Accounts, settled: int, *, grow: bool, always: bool) -> Commit | None:
    """What the disk does not know yet; None if it knows all, but for `settled`, and not `always`."""
    writes = _writes(accounts) if grow else []
    deletes, accounts.deletes = accounts.deletes, []
    gaps, gaps_deleted = accounts.gaps.changes()
    if not (writes or deletes or gaps or gaps_deleted or always):
        return None
    return Commit(writes, deletes, gaps, gaps_deleted, settled)


def finish_commit(accounts: Accounts, commit: Commit, rows: Sequence[tuple[int, int]]) -> None:
    """It is on the disk; `rows`: (row, bytes of its data) of each written chunk."""
    for write, (row, size) in zip(commit.writes, rows, strict=True):
        chunk = write.chunk
        if not chunk.held:  # acknowledged or given up meanwhile
            accounts.deletes.append(row)
            continue
        accounts.resize(chunk, 0)
        del accounts.fresh[chunk.kind, *chunk.key]
        chunk.row = row
        accounts.resize(chunk, size + CHUNK_OVERHEAD)
        accounts.counts.stored += chunk.held.count
        accounts.loaded_bytes += chunk.loaded_bytes
        if not chunk.waiting or accounts.loaded_bytes > MAX_LOADED_BYTES:
            accounts.unload(chunk)
    accounts.make_room()


def _writes(accounts: Accounts) -> list[Write]:
    accounts.growing.clear()
    for shelf in accounts.shelves.values():
        _fold(accounts, shelf)
    return [Write(chunk, list(chunk.held), list((chunk.records or {}).values())) for chunk in accounts.fresh.values()]


def _fold(accounts: Accounts, shelf: Shelf) -> None:
    """Make one chunk in RAM of many tiny ones at the end; the same transaction writes it and deletes them."""
    tail = shelf.tiny_tail(TINY_ROWS)
    if len(tail) < FOLD:
        return
    merged = Chunk(tail[0].kind, tail[0].epoch, tail[0].first, live=False, written_at=tail[0].written_at)
    merged.made_at, merged.records = tail[0].made_at, {}
    for chunk in tail:
        accounts.resize(chunk, 0)
        if chunk.row is None:
            del accounts.fresh[chunk.kind, *chunk.key]
        else:
            accounts.counts.stored -= chunk.held.count
            accounts.loaded_bytes -= chunk.loaded_bytes
            accounts.deletes.append(chunk.row)
        merged.take_over(chunk)
    shelf.replace_tail(len(tail), merged)
    accounts.fresh[merged.kind, *merged.key] = merged
    accounts.resize(merged, merged.loaded_bytes)
