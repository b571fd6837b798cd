"""What became of each result that a device had accepted: counted here, beside the collector's own audit."""

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from chaos_run.parts import SHOWN, PartError

ROWS = "SELECT device, epoch, seq, payload FROM records WHERE kind = 1"
GAPS = "SELECT device, epoch, first_seq, last_seq, reason FROM gaps"
AUDIT_S = 120.0
ALLOWED_S = 3.0  # from a result to the disk: a second until the transaction, which a busy machine takes time for
POWER = "power"  # the reason of a gap after an end that was not clean


class Accepted(NamedTuple):
    """A line of a device's log."""

    epoch: int
    seq: int
    frame: int
    committed: int
    time: float


class Number(NamedTuple):
    """What tells one result from all others."""

    device: str
    epoch: int
    seq: int


class Head(msgspec.Struct):
    """What we want of a stored result."""

    frame: int


@dataclass
class Proof:
    """Nothing may be missing, lost early, double or changed."""

    made: int = 0  # accepted by a device
    rows: int = 0
    missing: list[Number] = field(default_factory=list)  # neither a row nor in a gap
    early: list[Number] = field(default_factory=list)  # lost to a kill, though they were made long before it
    double: list[Number] = field(default_factory=list)  # two rows
    changed: list[Number] = field(default_factory=list)  # a row with other content: a number was used twice
    given_up: Counter[str] = field(default_factory=Counter)  # accepted, no row, in a gap: by its reason
    unlogged: int = 0  # rows that the device was killed too early to write down

    def holds(self, durability: str) -> bool:
        """What was promised: only a kill costs results, and only where not each of them is written at once."""
        allowed = {POWER} if durability == "relaxed" else set()
        return not (self.wrong or self.given_up.keys() - allowed)

    @property
    def wrong(self) -> list[Number]:
        """What breaks a promise, whatever the durability."""
        return [*self.missing, *self.early, *self.double, *self.changed]


def accepted(log: Path) -> list[Accepted]:
    """What a device has written down; a last line that is still being written is left out."""
    text = log.read_text() if log.exists() else ""
    lines = (line.split() for line in text[: text.rfind("\n") + 1].splitlines())
    return [Accepted(int(e), int(s), int(frame), int(c), float(time)) for e, s, frame, c, time in lines]


def prove(logs: dict[str, list[Accepted]], database: str) -> Proof:
    """Compare what devices, by their names, accepted with what is in the database.

    The gap after a kill is open, and begins after what the disk knew to be settled: with a good link that may be long
    before the kill. Something that was acknowledged and never stored would hide there; so it is dated, too.
    """
    made = {Number(device, line.epoch, line.seq): line for device, lines in logs.items() for line in lines}
    ends = {(number.device, number.epoch): line.time for number, line in made.items()}
    proof = Proof(made=len(made))
    stored: set[Number] = set()
    for device, epoch, seq, payload in _select(database, ROWS):
        number = Number(device, epoch, seq)
        proof.rows += 1
        if number in stored:
            proof.double.append(number)
        stored.add(number)
        if number not in made:
            proof.unlogged += 1
        elif msgspec.json.decode(payload, type=Head).frame != made[number].frame:
            proof.changed.append(number)
    gaps = list(_select(database, GAPS))
    for number in sorted(made.keys() - stored):
        reason = _reason(number, gaps)
        if reason is None:
            proof.missing.append(number)
            continue
        proof.given_up[reason] += 1
        if reason == POWER and made[number].time < ends[number.device, number.epoch] - ALLOWED_S:
            proof.early.append(number)
    return proof


def audit(database: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of `edge-infer collector audit`, and what it says of each epoch of each device."""
    command = [sys.executable, "-m", "edge_infer", "collector", "audit", "--db", database, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_S, check=False)
    try:
        return done.returncode, json.loads(done.stdout)["epochs"]
    except (ValueError, KeyError, TypeError) as error:
        raise PartError(
            f"the audit says what nobody can read: {done.stdout[-SHOWN:]} {done.stderr[-SHOWN:]}"
        ) from error


def _reason(number: Number, gaps: Iterable[tuple[Any, ...]]) -> str | None:
    for device, epoch, first, last, reason in gaps:
        if (device, epoch) == number[:2] and first <= number.seq <= (number.seq if last is None else last):
            return str(reason)
    return None


def _select(database: str, query: str) -> Iterator[tuple[Any, ...]]:
    if "://" not in database:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            yield from connection.execute(query)
        return
    import psycopg  # an extra: a run with SQLite does without it

    with psycopg.connect(database) as postgres:
        yield from postgres.execute(query)
