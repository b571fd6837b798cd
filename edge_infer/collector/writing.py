"""Arrivals become rows: the statements of one transaction, the same for every database.

Rows are written in the order of their keys, so that two collectors never wait for each other in a circle.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from edge_infer.collector.arrivals import Arrival, Conflict, DeadLetter, GapReport, Presence, Row, Rows, Stored
from edge_infer.collector.engine import Record, Transaction
from edge_infer.wire.payloads import Gap
from edge_infer.wire.topics import Kind

CLAIM = """INSERT INTO epochs (device, epoch, boot, first_received) VALUES (?, ?, ?, ?)
ON CONFLICT (device, epoch) DO NOTHING"""
OWNER = "SELECT boot, clock_offset_seq FROM epochs WHERE device = ? AND epoch = ?"
SET_CLOCK = """UPDATE epochs SET clock_offset = ?, clock_offset_seq = ?
WHERE device = ? AND epoch = ? AND (clock_offset_seq IS NULL OR clock_offset_seq > ?)"""
SET_LAST = """UPDATE epochs SET last_seq = ?
WHERE device = ? AND epoch = ? AND (last_seq IS NULL OR last_seq < ?)"""
SET_SETTLED = """UPDATE epochs SET settled_seq = ?
WHERE device = ? AND epoch = ? AND (settled_seq IS NULL OR settled_seq < ?)"""
# A gap may come again, and may have grown; it never shrinks.
ADD_GAP = """INSERT INTO gaps (device, epoch, first_seq, last_seq, reason, received_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (device, epoch, first_seq) DO UPDATE SET last_seq = excluded.last_seq, reason = excluded.reason
WHERE gaps.last_seq IS NOT NULL AND (excluded.last_seq IS NULL OR excluded.last_seq > gaps.last_seq)"""
SET_DEVICE = """INSERT INTO devices
(device, state, time, epoch, boot, last_seq, settled_epoch, settled_seq, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (device) DO UPDATE SET
    state = coalesce(excluded.state, devices.state),
    time = CASE WHEN excluded.state IS NULL THEN devices.time ELSE excluded.time END,
    epoch = excluded.epoch,
    boot = excluded.boot,
    last_seq = CASE WHEN excluded.epoch = devices.epoch THEN coalesce(excluded.last_seq, devices.last_seq)
        ELSE excluded.last_seq END,
    settled_epoch = coalesce(excluded.settled_epoch, devices.settled_epoch),
    settled_seq = coalesce(excluded.settled_seq, devices.settled_seq),
    received_at = excluded.received_at
WHERE excluded.epoch >= devices.epoch"""
ADD_CONFLICT = """INSERT INTO conflicts (device, epoch, boot, first_boot, received_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (device, epoch, boot) DO NOTHING RETURNING device"""
ADD_DEAD_LETTER = """INSERT INTO dead_letters (received_at, topic, device, reason, payload, digest)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING"""


@dataclass(slots=True)
class Epoch:
    """Who owns an epoch, and by which record its clock is known."""

    boot: str
    clock_seq: int | None


Epochs: TypeAlias = dict[tuple[str, int], Epoch]


class Writing:
    """One transaction's worth of arrivals."""

    def __init__(self, transaction: Transaction, epochs: Epochs, received_at: float) -> None:
        """`epochs`: what is known already; it is added to, and wrong if the transaction is undone."""
        self._transaction = transaction
        self._epochs = epochs
        self._received_at = received_at
        self._received = transaction.moment(received_at)

    def store(self, arrivals: Sequence[Arrival]) -> Stored:
        """Write them all."""
        self._claim(arrival for arrival in arrivals if isinstance(arrival, (Rows, Presence)))
        stored = Stored(conflicts=self._add_conflicts(arrivals))
        rows = [arrival for arrival in arrivals if isinstance(arrival, Rows)]
        letters = [_as_dead_letter(envelope, self._owner(envelope)) for envelope in rows if not self._owns(envelope)]
        letters += [arrival for arrival in arrivals if isinstance(arrival, DeadLetter)]
        accepted = [envelope for envelope in rows if self._owns(envelope)]
        presences = [arrival for arrival in arrivals if isinstance(arrival, Presence) and self._owns(arrival)]
        self._add_records(accepted, stored)
        self._add_gaps(arrival for arrival in arrivals if isinstance(arrival, GapReport))
        self._set_devices(presences)
        stored.dead_letters = self._add_dead_letters(letters)
        self._set_epochs(accepted, presences)
        return stored

    def _claim(self, arrivals: Iterable[Rows | Presence]) -> None:
        """Give each epoch that is new to the boot that came first, and learn whose the others are."""
        first: dict[tuple[str, int], str] = {}
        for arrival in arrivals:
            if (arrival.device, arrival.epoch) not in self._epochs:
                first.setdefault((arrival.device, arrival.epoch), arrival.boot)
        self._transaction.write(CLAIM, [(*key, boot, self._received) for key, boot in sorted(first.items())])
        for key in first:
            [(boot, clock_seq)] = self._transaction.read(OWNER, key)
            self._epochs[key] = Epoch(boot, clock_seq)

    def _owner(self, arrival: Rows | Presence) -> str:
        return self._epochs[arrival.device, arrival.epoch].boot

    def _owns(self, arrival: Rows | Presence) -> bool:
        return self._owner(arrival) == arrival.boot

    def _add_conflicts(self, arrivals: Iterable[Arrival]) -> list[Conflict]:
        """Those that were not known."""
        seen = {
            (arrival.device, arrival.epoch, arrival.boot, self._owner(arrival))
            for arrival in arrivals
            if isinstance(arrival, (Rows, Presence)) and not self._owns(arrival)
        }
        return [
            Conflict(*conflict)
            for conflict in sorted(seen)
            if self._transaction.read(ADD_CONFLICT, (*conflict, self._received))
        ]

    def _add_records(self, envelopes: list[Rows], stored: Stored) -> None:
        envelopes.sort(key=lambda envelope: (envelope.device, envelope.epoch, envelope.first_seq))
        if envelopes:
            stored.rows = self._transaction.insert_records(self._records(envelopes))
            stored.duplicates = sum(len(envelope.rows) for envelope in envelopes) - stored.rows

    def _records(self, envelopes: Iterable[Rows]) -> Iterator[Record]:
        received_at = self._received_at
        for envelope in envelopes:
            device, epoch, kind = envelope.device, envelope.epoch, int(envelope.kind)
            pipeline, clock = envelope.pipeline, envelope.clock
            for seq, row in enumerate(envelope.rows, envelope.first_seq):
                text = row.payload.decode()
                yield device, epoch, seq, kind, pipeline, row.time, row.mono_ns, clock, received_at, text

    def _add_gaps(self, reports: Iterable[GapReport]) -> None:
        gaps = [(report.device, gap) for report in reports for gap in report.gaps]
        gaps.sort(key=lambda pair: (pair[0], pair[1].epoch, pair[1].first))
        self._transaction.write(ADD_GAP, [(device, *_gap(gap), self._received) for device, gap in gaps])

    def _set_devices(self, presences: list[Presence]) -> None:
        presences.sort(key=lambda presence: presence.device)  # a stable sort: the last one of a device stays so
        self._transaction.write(SET_DEVICE, [self._device(presence) for presence in presences])

    def _device(self, presence: Presence) -> tuple[object, ...]:
        time = self._transaction.moment(presence.time)
        last = (presence.epoch, presence.boot, presence.last_seq)
        return (presence.device, presence.state, time, *last, *_settled(presence), self._received)

    def _set_epochs(self, envelopes: Iterable[Rows], presences: Iterable[Presence]) -> None:
        """What the epochs' clocks, last and settled numbers are; epochs are locked in order."""
        changes: list[tuple[tuple[str, int], str, tuple[object, ...]]] = []
        for envelope in envelopes:
            key = (envelope.device, envelope.epoch)
            known = self._epochs[key]
            if known.clock_seq is not None and known.clock_seq <= envelope.first_seq:
                continue
            if found := _clock_row(envelope):
                known.clock_seq, row = found
                offset = row.time - (row.mono_ns or 0) / 1e9
                changes.append((key, SET_CLOCK, (offset, known.clock_seq, *key, known.clock_seq)))
        for presence in presences:
            if presence.last_seq is not None:
                key = (presence.device, presence.epoch)
                changes.append((key, SET_LAST, (presence.last_seq, *key, presence.last_seq)))
            epoch, seq = _settled(presence)
            if epoch is not None and seq:
                key = (presence.device, epoch)
                changes.append((key, SET_SETTLED, (seq - 1, *key, seq - 1)))
        for _, sql, values in sorted(changes, key=lambda change: change[0]):
            self._transaction.write(sql, [values])

    def _add_dead_letters(self, letters: list[DeadLetter]) -> int:
        by_digest = {_digest(letter): letter for letter in letters}
        rows = [(self._received, *_content(by_digest[digest]), digest) for digest in sorted(by_digest)]
        return self._transaction.write(ADD_DEAD_LETTER, rows)


def _clock_row(envelope: Rows) -> tuple[int, Row] | None:
    """The first row that tells what an unset clock should have said, and its number."""
    if envelope.clock == "synced":
        for seq, row in enumerate(envelope.rows, envelope.first_seq):
            if row.mono_ns is not None:
                return seq, row
    return None


def _gap(gap: Gap) -> tuple[int, int, int | None, str]:
    return gap.epoch, gap.first, gap.last, _text(gap.reason)


def _settled(presence: Presence) -> tuple[int | None, int | None]:
    """The number before which all is settled: (epoch, seq), or (None, None) where the device did not say.

    A device that holds nothing speaks of the numbers that it has made so far, not of those that come after.
    """
    if not presence.settled:
        return None, None
    if presence.oldest:
        return presence.oldest
    return (presence.epoch + 1, 0) if presence.last_seq is None else (presence.epoch, presence.last_seq + 1)


def _as_dead_letter(envelope: Rows, owner: str) -> DeadLetter:
    """Rows of a second device that calls itself like the first, kept whole."""
    content = {
        "kind": envelope.kind.name.lower(),
        "pipeline": envelope.pipeline,
        "device": envelope.device,
        "epoch": envelope.epoch,
        "boot": envelope.boot,
        "first_seq": envelope.first_seq,
        "clock": envelope.clock,
        "results": [_raw(row) for row in envelope.rows],
    }
    return DeadLetter(
        topic=f"{envelope.device}/{'events' if envelope.kind is Kind.EVENT else 'results'}/{envelope.pipeline}",
        payload=msgspec.json.encode(content),
        reason=f"epoch {envelope.epoch} of {envelope.device} belongs to the boot {owner}, this is {envelope.boot}: "
        "two devices use one id and state, or a state folder was put back from a copy",
        device=envelope.device,
    )


def _raw(row: Row) -> msgspec.Raw:
    return msgspec.Raw(row.payload)


def _content(letter: DeadLetter) -> tuple[str, str | None, str, bytes]:
    device = None if letter.device is None else _text(letter.device)
    return _text(letter.topic), device, _text(letter.reason), letter.payload


def _digest(letter: DeadLetter) -> bytes:
    return hashlib.sha256(letter.topic.encode("utf-8", "replace") + b"\0" + letter.payload).digest()


def _text(said: str) -> str:
    """The same, without what a database refuses: NUL, and halves of surrogate pairs."""
    return said.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
