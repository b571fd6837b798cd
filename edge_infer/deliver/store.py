"""The outbox on the disk: one SQLite file in WAL mode, used by one thread.

Chunks are compressed and lie in pages of 1 kB: half the device writes of SQLite's usual 4 kB (docs/adr/0007).
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_infer.deliver.accounts import DAMAGED, POWER
from edge_infer.deliver.commit import Commit
from edge_infer.deliver.records import CHUNK_OVERHEAD, Chunk, Record, pack, unpack
from edge_infer.errors import TransientError, UnavailableError
from edge_infer.wire.payloads import Gap
from edge_infer.wire.topics import Kind

VERSION = 1  # of the tables, in SQLite's user_version
PAGE_BYTES = 1024
WAL_PAGES = 1000  # until the log is copied into the file: 1 MB
MAX_DAMAGED = 1000  # epochs that a damaged file may have held something of
VACUUM_PAGES = 256  # given back to the file system after a commit, while many are free
TABLES = """
CREATE TABLE IF NOT EXISTS chunk (row INTEGER PRIMARY KEY, kind INTEGER NOT NULL, epoch INTEGER NOT NULL,
    first INTEGER NOT NULL, ranges TEXT NOT NULL, written_at REAL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS gap (epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER, reason TEXT NOT NULL,
    PRIMARY KEY (epoch, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (epoch INTEGER PRIMARY KEY, boot TEXT NOT NULL, settled INTEGER NOT NULL,
    closed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS request (id INTEGER PRIMARY KEY, what TEXT NOT NULL);
"""


class StoreError(TransientError):
    """The disk takes or gives nothing now."""


class DamagedStoreError(Exception):
    """The file is no database any more."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lay on the disk."""

    chunks: list[Chunk] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    boots: dict[int, str] = field(default_factory=dict)
    unclean: list[int] = field(default_factory=list)  # epochs that had no clean end
    set_aside: Path | None = None  # the file was damaged: here it is now

    @property
    def last_epoch(self) -> int:
        """The highest that was used."""
        return max(self.boots, default=0)

    @property
    def oldest_epoch(self) -> int:
        """The lowest that something is left of."""
        left = [*(c.epoch for c in self.chunks), *(g.epoch for g in self.gaps), *self.unclean]
        return min(left, default=self.last_epoch + 1)


class Store:
    """The file. Every method may raise StoreError or DamagedStoreError; afterwards it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._data_version: int | None = None
        self._checked = False  # after an unclean end, and once: it reads the whole file

    @property
    def is_open(self) -> bool:
        """It has not failed since it was opened."""
        return self._db is not None

    def lock(self) -> None:
        """Take the file for this process.

        Raises:
            UnavailableError: another one has it.
            StoreError: the folder cannot be written.
        """
        if self._lock is not None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot keep results in {self.path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise UnavailableError(
                f"{self.path} is in use by another process: each device id needs a process of its own"
            ) from error
        self._lock = lock

    def open(self) -> Found:
        """Open or make the file, and read what lies in it; a damaged one is set aside, never deleted.

        Raises:
            UnavailableError: a newer version of this program wrote it.
        """
        self.lock()
        try:
            self._connect()
            return self._read()
        except DamagedStoreError:
            set_aside = self.set_aside()
            self._connect()
            return Found(set_aside=set_aside)

    def set_aside(self) -> Path:
        """Rename a damaged file; a new one takes its place when it is opened."""
        self._disconnect()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        names = (self.path.with_name(f"{self.path.name}.damaged-{stamp}-{n}") for n in range(1000))
        target = next(name for name in names if not name.exists())
        for suffix in ("", "-wal", "-shm"):
            with self._errors(), suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(target.with_name(target.name + suffix))
        return target

    def begin_epoch(self, epoch: int, boot: str, found: Found, damaged_from: int | None = None) -> list[Gap]:
        """Write down that an epoch begins, and how those end that had no clean end; returns their gaps.

        All of one that is not settled is lost: its numbers after the last commit, unless they were acknowledged.
        `damaged_from`: the file was set aside, so that all epochs from this one on are not known any more.
        """
        with self._transaction() as db:
            open_ones = db.execute("SELECT epoch, settled FROM epoch WHERE NOT closed AND epoch <> ?", (epoch,))
            lost = [Gap(epoch=e, first=settled + 1, last=None, reason=POWER) for e, settled in open_ones]
            if damaged_from is not None:
                damaged = range(max(damaged_from, epoch - MAX_DAMAGED), epoch)
                lost += [Gap(epoch=e, first=1, last=None, reason=DAMAGED) for e in damaged]
            db.executemany("INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?)", map(_gap_row, lost))
            db.execute("UPDATE epoch SET closed = 1")
            db.execute("DELETE FROM epoch WHERE epoch NOT IN (SELECT epoch FROM chunk UNION SELECT epoch FROM gap)")
            db.execute("INSERT OR REPLACE INTO epoch VALUES (?, ?, 0, 0)", (epoch, boot))
        return [*found.gaps, *lost]

    def commit(self, commit: Commit, epoch: int) -> list[tuple[int, int]]:
        """Write all of it in one transaction, safe from a power cut when this returns; (row, bytes) of each chunk."""
        rows = []
        with self._transaction() as db:
            db.executemany("DELETE FROM chunk WHERE row = ?", ((row,) for row in commit.deletes))
            for write in commit.writes:
                data, chunk = pack(write.records), write.chunk
                values = (chunk.kind, chunk.epoch, chunk.first, _json(write.ranges), chunk.written_at, data)
                row = db.execute("INSERT INTO chunk VALUES (NULL, ?, ?, ?, ?, ?, ?)", values).lastrowid
                rows.append((row or 0, len(data)))
            db.executemany("DELETE FROM gap WHERE epoch = ? AND first = ?", commit.gaps_deleted)
            db.executemany("INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)", map(_gap_row, commit.gaps))
            db.execute("UPDATE epoch SET settled = max(settled, ?) WHERE epoch = ?", (commit.settled, epoch))
        with self._errors():
            free = db.execute("PRAGMA freelist_count").fetchone()[0]
            if free > 4 * VACUUM_PAGES:
                db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        return rows

    def close_epoch(self, epoch: int) -> None:
        """The end was clean: all that was made is on the disk, acknowledged, or in a gap."""
        with self._transaction() as db:
            db.execute("UPDATE epoch SET closed = 1 WHERE epoch = ?", (epoch,))

    def load(self, row: int) -> list[Record]:
        """The records of a chunk.

        Raises:
            ValueError: it is damaged or gone.
        """
        with self._errors():
            found = self._connection().execute("SELECT data FROM chunk WHERE row = ?", (row,)).fetchone()
        if found is None:
            raise ValueError(f"chunk {row} is gone")
        return list(unpack(found[0]))

    def requested(self) -> list[str]:
        """What another process asked for since the last call (`edge-infer outbox drop`)."""
        with self._errors():
            db = self._connection()
            version = db.execute("PRAGMA data_version").fetchone()[0]
            if version == self._data_version:
                return []
            self._data_version = version
            return [what for (what,) in db.execute("SELECT what FROM request")]

    def answered(self) -> None:
        """What was asked for is done."""
        with self._transaction() as db:
            db.execute("DELETE FROM request")

    def close(self) -> None:
        """Give the file back."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _connect(self) -> None:
        self._disconnect()
        with self._errors():
            db = sqlite3.connect(self.path, timeout=2.0, isolation_level=None, check_same_thread=False)
            self._db = db
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise UnavailableError(f"{self.path} was written by a newer edge_infer: update, or move it away")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
            db.execute(f"PRAGMA journal_size_limit = {WAL_PAGES * PAGE_BYTES}")
            db.execute("PRAGMA cache_size = -500")
            if version < VERSION:  # nothing is written otherwise: a full disk can be read
                db.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
            unclean = db.execute("SELECT 1 FROM epoch WHERE NOT closed").fetchone()
            if unclean and not self._checked and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise DamagedStoreError("quick_check finds faults")
            self._checked = True

    def _read(self) -> Found:
        with self._errors():
            db = self._connection()
            chunks = []
            columns = "row, kind, epoch, first, ranges, written_at, length(data)"
            for row, kind, epoch, first, ranges, written_at, size in db.execute(
                f"SELECT {columns} FROM chunk ORDER BY epoch, first"  # noqa: S608 - a constant
            ):
                chunk = Chunk(Kind(kind), epoch, first, live=False, written_at=written_at)
                for a, b in msgspec.json.decode(ranges, type=list[tuple[int, int]]):
                    chunk.held.add(a, b)
                chunk.records = None
                chunk.row, chunk.size = row, size + CHUNK_OVERHEAD
                chunks.append(chunk)
            gaps = [Gap(epoch=e, first=f, last=e_, reason=r) for e, f, e_, r in db.execute("SELECT * FROM gap")]
            boots = dict(db.execute("SELECT epoch, boot FROM epoch").fetchall())
            unclean = [epoch for (epoch,) in db.execute("SELECT epoch FROM epoch WHERE NOT closed")]
        return Found(chunks, gaps, boots, unclean)

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"{self.path} is not open")
        return self._db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            self._disconnect()
            raise StoreError(f"cannot keep results in {self.path}: {error}") from error
        except (sqlite3.DatabaseError, ValueError, msgspec.DecodeError) as error:
            self._disconnect()
            raise DamagedStoreError(str(error)) from error

    def _disconnect(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        self._data_version = None


def _gap_row(gap: Gap) -> tuple[int, int, int | None, str]:
    return gap.epoch, gap.first, gap.last, gap.reason


def _json(ranges: list[tuple[int, int]]) -> str:
    return msgspec.json.encode(ranges).decode()
