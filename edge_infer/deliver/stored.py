"""What lies in an outbox on the disk, for people: beside a daemon that runs, or without one."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge_infer.deliver.accounts import DROPPED
from edge_infer.deliver.records import unpack
from edge_infer.errors import StalledError, UnavailableError
from edge_infer.wire.topics import Kind

ANSWER_S = 15.0  # a daemon looks for requests once a second, or ten where its disk is in trouble


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record on the disk."""

    epoch: int
    seq: int
    kind: str
    pipeline: str
    clock: str
    payload: msgspec.Raw


def find_outbox(state_dir: Path, device: str | None) -> Path:
    """The outbox of a device, or the only one in the folder.

    Raises:
        UnavailableError: there is none, or there are several.
    """
    found = sorted(state_dir.glob(f"outbox-{device or '*'}.db"))
    if len(found) == 1:
        return found[0]
    if not found:
        who = f" of device '{device}'" if device else ""
        raise UnavailableError(f"there is no outbox{who} in {state_dir}: name another folder with --state-dir")
    names = ", ".join(path.stem.removeprefix("outbox-") for path in found)
    raise UnavailableError(f"{state_dir} has the outboxes of several devices, choose with --device: {names}")


def status(path: Path) -> dict[str, Any]:
    """How much waits, since when, of which starts; what a daemon has in RAM only (the last second) is not counted."""
    with _connected(path) as db:
        kinds = {kind: {"results": 0, "chunks": 0, "bytes": 0} for kind in Kind}
        oldest = None
        written_at: list[float] = []
        for kind, epoch, ranges, written, size in db.execute(
            "SELECT kind, epoch, ranges, written_at, length(data) FROM chunk ORDER BY epoch, first"
        ):
            spans = msgspec.json.decode(ranges, type=list[tuple[int, int]])
            counted = kinds[Kind(kind)]
            counted["results"] += sum(last - first + 1 for first, last in spans)
            counted["chunks"] += 1
            counted["bytes"] += size
            oldest = oldest or [epoch, spans[0][0]]
            written_at += [written] if written else []
        gaps = [
            {"epoch": epoch, "first": first, "last": last, "reason": reason}
            for epoch, first, last, reason in db.execute("SELECT epoch, first, last, reason FROM gap")
        ]
        epochs = [epoch for (epoch,) in db.execute("SELECT epoch FROM epoch ORDER BY epoch")]
    return {
        "path": str(path),
        "device": path.stem.removeprefix("outbox-"),
        "daemon": "running" if is_used(path) else "not running",
        "results": sum(counted["results"] for counted in kinds.values()),
        "kinds": {kind.name.lower(): counted for kind, counted in kinds.items() if counted["chunks"]},
        "file_bytes": sum(
            file.stat().st_size for file in path.parent.glob(f"{path.name}*") if "damaged" not in file.name
        ),
        "oldest": oldest,
        "oldest_written_at": min(written_at, default=None),
        "epochs": epochs,
        "gaps_to_report": gaps,
        "set_aside": [
            str(file) for file in sorted(path.parent.glob(f"{path.name}.damaged-*")) if file.suffix != "-wal"
        ],
    }


def records(path: Path) -> Iterator[StoredRecord]:
    """Every record on the disk, oldest first. Damaged chunks are left out: the daemon reports them as gaps."""
    with _connected(path) as db:
        rows = db.execute("SELECT row FROM chunk ORDER BY epoch, first").fetchall()
        for (row,) in rows:
            found = db.execute("SELECT kind, epoch, ranges, data FROM chunk WHERE row = ?", (row,)).fetchone()
            if found is None:  # acknowledged meanwhile
                continue
            kind, epoch, ranges, data = found
            held = [range(a, b + 1) for a, b in msgspec.json.decode(ranges, type=list[tuple[int, int]])]
            try:
                unpacked = list(unpack(data))
            except ValueError:
                continue
            for r in unpacked:
                if any(r.seq in span for span in held):
                    name = Kind(kind).name.lower()
                    yield StoredRecord(epoch, r.seq, name, r.pipeline, r.clock, msgspec.Raw(r.payload))


def drop(path: Path) -> int:
    """Give up all that waits, which becomes gaps; by the daemon where one runs. Returns how many records.

    Raises:
        UnavailableError: the file cannot be used.
        StalledError: the daemon does not do it.
    """
    with path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _ask(path)
        return _drop(path)


def is_used(path: Path) -> bool:
    """A process has this outbox."""
    try:
        with path.with_suffix(".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _ask(path: Path) -> int:
    with _connected(path) as db:
        before = status(path)["results"]
        db.execute("INSERT INTO request (what) VALUES ('drop')")
        deadline = time.monotonic() + ANSWER_S
        while db.execute("SELECT 1 FROM request").fetchone():
            if time.monotonic() > deadline:
                raise StalledError(f"the daemon that has {path} did not drop anything within {ANSWER_S:.0f} s")
            time.sleep(0.05)
    return int(before)


def _drop(path: Path) -> int:
    rows = 0
    with _connected(path) as db:
        db.execute("BEGIN IMMEDIATE")
        for epoch, ranges in db.execute("SELECT epoch, ranges FROM chunk").fetchall():
            for first, last in msgspec.json.decode(ranges, type=list[tuple[int, int]]):
                db.execute("INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)", (epoch, first, last, DROPPED))
                rows += last - first + 1
        db.execute("DELETE FROM chunk")
        db.execute("COMMIT")
    return rows


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        uri = f"{path.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None)) as db:
            yield db
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise UnavailableError(f"cannot use {path}: {error}") from error
