"""The proof: each number of an epoch is one row, or lies in one gap; or else it is told which do not.

The database walks the rows and answers with ranges; here, ranges are compared. Numbers count from 1 to the highest
that anyone told of: a row, a gap, or the device.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from edge_infer.collector.database import SqlDatabase
from edge_infer.collector.engine import Transaction
from edge_infer.wire.ranges import Ranges

Span: TypeAlias = tuple[int, int]  # first, last

COUNTS = "SELECT device, epoch, count(*), min(seq), max(seq) FROM records {where} GROUP BY device, epoch"
# Where a row does not follow the one before: after a hole, or with the same number again.
BREAKS = """SELECT device, epoch, before, seq FROM (
    SELECT device, epoch, seq, lag(seq) OVER (PARTITION BY device, epoch ORDER BY seq) AS before
    FROM records {where}
) AS numbers WHERE seq <> before + 1"""
EXPIRED = "SELECT device, epoch, first_seq, last_seq FROM expired {where}"
GAPS = "SELECT device, epoch, first_seq, last_seq, reason FROM gaps {where} ORDER BY device, epoch, first_seq"
EPOCHS = "SELECT device, epoch, boot, last_seq, settled_seq FROM epochs {where}"
SETTLED = "SELECT device, settled_epoch, settled_seq FROM devices {where}"
CONFLICTS = "SELECT device, epoch, boot FROM conflicts {where} ORDER BY device, epoch, boot"
DEAD_LETTERS = "SELECT device, count(*) FROM dead_letters {where} GROUP BY device"


@dataclass(frozen=True, slots=True)
class GapAudit:
    """A gap that was reported. `last` None: to the end of the epoch."""

    first: int
    last: int | None
    reason: str
    lost: int  # numbers in it that are not stored; of an open one: and in no other gap


@dataclass(frozen=True, slots=True)
class EpochAudit:
    """What became of the numbers 1..highest of one start of a device."""

    device: str
    epoch: int
    boot: str | None  # None: only gaps told of it
    highest: int
    rows: int  # in the database now
    expired: int  # numbers that were stored, and deleted by retention
    stored: tuple[Span, ...]  # both
    gaps: tuple[GapAudit, ...]
    missing: tuple[Span, ...]  # neither stored nor in a gap, though the device does not hold them any more
    awaited: tuple[Span, ...]  # not yet: the device still holds them
    double: tuple[Span, ...]  # stored twice, or in two gaps
    late: tuple[Span, ...]  # stored although a gap said they would not come: rows, and no longer in the gap
    other_boots: tuple[str, ...]  # that used the same epoch: their rows lie in the dead letters
    dead_letters: int  # of the device, in all epochs

    @property
    def is_proved(self) -> bool:
        """Nothing is missing, double, or still awaited."""
        return not (self.missing or self.double or self.awaited)


def audit(database: SqlDatabase, device: str | None = None) -> list[EpochAudit]:
    """One device or all, epoch by epoch.

    Raises:
        DatabaseError: the database is away, or refuses.
    """
    with database.snapshot() as transaction:
        seen = _read(transaction, device)
        settled = {row[0]: (row[1], row[2]) for row in _rows(transaction, SETTLED, device) if row[1] is not None}
        letters = dead_letters(transaction, device)
    return [_audited(*key, found, settled.get(key[0]), letters.get(key[0], 0)) for key, found in sorted(seen.items())]


def dead_letters(transaction: Transaction, device: str | None = None) -> dict[str | None, int]:
    """How many dead letters there are of each device; None: those that do not tell of which."""
    return dict(_rows(transaction, DEAD_LETTERS, device))


@dataclass(slots=True)
class _Seen:
    """What the database holds of one epoch."""

    boot: str | None = None
    told: int = 0  # the highest number that the device told of
    settled: int = 0  # up to here, it said, all is stored or in a gap
    rows: int = 0
    span: Span | None = None  # the lowest and the highest row
    breaks: list[Span] = field(default_factory=list)  # (before, after) of rows that do not follow each other
    expired: Ranges = field(default_factory=Ranges)
    gaps: list[tuple[int, int | None, str]] = field(default_factory=list)
    other_boots: list[str] = field(default_factory=list)


def _read(transaction: Transaction, device: str | None) -> dict[tuple[str, int], _Seen]:
    seen: dict[tuple[str, int], _Seen] = {}

    def of(row: Sequence[Any]) -> _Seen:
        return seen.setdefault((row[0], row[1]), _Seen())

    for row in _rows(transaction, COUNTS, device):
        of(row).rows, of(row).span = row[2], (row[3], row[4])
    for row in _rows(transaction, BREAKS, device):
        of(row).breaks.append((row[2], row[3]))
    for row in _rows(transaction, EXPIRED, device):
        of(row).expired.add(row[2], row[3])
    for row in _rows(transaction, GAPS, device):
        of(row).gaps.append((row[2], row[3], row[4]))
    for row in _rows(transaction, EPOCHS, device):
        of(row).boot, of(row).told, of(row).settled = row[2], row[3] or 0, row[4] or 0
    for row in _rows(transaction, CONFLICTS, device):
        of(row).other_boots.append(row[2])
    return seen


def _rows(transaction: Transaction, sql: str, device: str | None) -> list[tuple[Any, ...]]:
    where = "" if device is None else "WHERE device = ?"
    return transaction.read(sql.format(where=where), () if device is None else (device,))


def _audited(device: str, epoch: int, seen: _Seen, settled: tuple[int, int] | None, letters: int) -> EpochAudit:
    stored = _stored(seen)
    highest = max(
        [
            seen.told,
            *(last for _, last in stored),
            *(first - 1 if last is None else last for first, last, _ in seen.gaps),
        ]
    )
    closed = [(first, last) for first, last, _ in seen.gaps if last is not None]
    accounted = Ranges([*stored, *closed])
    gaps = []
    for first, last, reason in seen.gaps:
        # An open tail begins after the device's last transaction; what it had called settled since is no part of it.
        tail = max(first, seen.settled + 1)
        lost = sum(_size(hole) for hole in stored.holes(first, last)) if last else _fill(accounted, tail, highest)
        gaps.append(GapAudit(first, last, reason, lost))
    missing, awaited = _split(accounted.holes(1, highest), epoch, settled)
    return EpochAudit(
        device=device,
        epoch=epoch,
        boot=seen.boot,
        highest=highest,
        rows=seen.rows,
        expired=seen.expired.count,
        stored=tuple(stored),
        gaps=tuple(gaps),
        missing=missing,
        awaited=awaited,
        double=_double(seen, stored, closed),
        late=tuple(Ranges(part for gap in closed for part in stored.within(*gap))),
        other_boots=tuple(seen.other_boots),
        dead_letters=letters,
    )


def _stored(seen: _Seen) -> Ranges:
    """The numbers that are or were rows."""
    stored = Ranges(seen.expired)
    if seen.span:
        first, last = seen.span
        for before, after in sorted(seen.breaks):
            stored.add(first, before)
            first = after
        stored.add(first, last)
    return stored


def _fill(accounted: Ranges, first: int, highest: int) -> int:
    """How many numbers an open gap covers: what nothing else accounts for."""
    return accounted.add(first, highest) if first <= highest else 0


def _split(
    holes: Iterable[Span], epoch: int, settled: tuple[int, int] | None
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Holes before what the device still holds are missing, those after are awaited."""
    missing, awaited = [], []
    for first, last in holes:
        if settled is None or (epoch, last) < settled:
            missing.append((first, last))
        elif (epoch, first) >= settled:
            awaited.append((first, last))
        else:
            missing.append((first, settled[1] - 1))
            awaited.append((settled[1], last))
    return tuple(missing), tuple(awaited)


def _double(seen: _Seen, stored: Ranges, closed: list[Span]) -> tuple[Span, ...]:
    double = Ranges((after, after) for before, after in seen.breaks if before == after)
    reach = Ranges()
    for first, last in closed:
        for part in reach.within(first, last):
            for hole in stored.holes(*part):
                double.add(*hole)
        reach.add(first, last)
    return tuple(double)


def _size(span: Span) -> int:
    return span[1] - span[0] + 1
