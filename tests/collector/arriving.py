"""What arrives from devices, for tests of the database; and all that a database holds."""

from typing import Any

from edge_infer.collector.arrivals import DeadLetter, GapReport, Presence, Row, Rows
from edge_infer.collector.database import SqlDatabase
from edge_infer.wire.payloads import Gap
from edge_infer.wire.topics import Kind

NOW = 1_800_000_000.0
TABLES = ("records", "expired", "epochs", "gaps", "devices", "conflicts", "dead_letters")


def rows(first: int = 1, last: int = 3, **said: Any) -> Rows:
    """One envelope; the payload of each row tells its number."""
    fields = {
        "kind": Kind.RESULT,
        "device": "porch",
        "epoch": 1,
        "boot": "b1",
        "first_seq": first,
        "pipeline": "door",
        "clock": "synced",
        "rows": [row(seq) for seq in range(first, last + 1)],
    }
    return Rows(**fields | said)


def row(seq: int, time: float | None = None, payload: bytes | None = None) -> Row:
    when = 1_700_000_000.0 + seq / 8 if time is None else time
    return Row(when, seq * 125_000_000, b'{"seq": %d}' % seq if payload is None else payload)


def gap(first: int, last: int | None, reason: str = "outbox full", **said: Any) -> GapReport:
    fields = {"device": "porch", "boot": "b1"} | said
    epoch = fields.pop("epoch", 1)
    return GapReport(**fields, gaps=[Gap(epoch=epoch, first=first, last=last, reason=reason)])


def presence(state: str | None = "online", **said: Any) -> Presence:
    return Presence(**{"device": "porch", "state": state, "time": 1_700_000_000.0, "epoch": 1, "boot": "b1"} | said)


def letter(payload: bytes = b"{", **said: Any) -> DeadLetter:
    return DeadLetter(**{"topic": "edge/v1/porch/results/door", "payload": payload, "reason": "cut off"} | said)


def select(database: SqlDatabase, sql: str) -> list[tuple[Any, ...]]:
    with database.snapshot() as transaction:
        return transaction.read(sql)


def seqs(database: SqlDatabase, device: str = "porch") -> list[int]:
    return [
        seq for (seq,) in select(database, f"SELECT seq FROM records WHERE device = '{device}' ORDER BY epoch, seq")
    ]


def dump(database: SqlDatabase) -> dict[str, list[tuple[Any, ...]]]:
    """Every table, row by row."""
    return {table: sorted(select(database, f"SELECT * FROM {table}"), key=repr) for table in TABLES}
