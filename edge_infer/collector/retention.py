"""Old rows are deleted; that they were there is kept, as ranges."""

from collections import defaultdict

from edge_infer.collector.engine import Engine, Transaction
from edge_infer.wire.ranges import Ranges

CHUNK = 10_000  # rows a transaction: collectors that write wait for tenths of a second
KNOWN = "SELECT first_seq, last_seq FROM expired WHERE device = ? AND epoch = ?"
FORGET = "DELETE FROM expired WHERE device = ? AND epoch = ?"
KEEP = "INSERT INTO expired (device, epoch, first_seq, last_seq) VALUES (?, ?, ?, ?)"


def expire(engine: Engine, before: float) -> int:
    """Delete rows that were received before this time; returns how many."""
    total = 0
    while True:
        with engine.transaction() as transaction:
            deleted = transaction.delete_records(before, CHUNK)
            _keep_ranges(transaction, deleted)
        total += len(deleted)
        if len(deleted) < CHUNK:
            return total


def _keep_ranges(transaction: Transaction, deleted: list[tuple[str, int, int]]) -> None:
    by_epoch: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for device, epoch, seq in deleted:
        by_epoch[device, epoch].append(seq)
    for key, seqs in by_epoch.items():
        ranges = Ranges(transaction.read(KNOWN, key))
        for seq in sorted(seqs):
            ranges.add(seq, seq)
        transaction.write(FORGET, [key])
        transaction.write(KEEP, [(*key, first, last) for first, last in ranges])
