"""Rows in a SQLite file: no server to run; several collectors of one machine may share it."""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_infer.collector import migrations
from edge_infer.collector.arrivals import DatabaseError
from edge_infer.collector.engine import LOCK_S, Record, Transaction
from edge_infer.errors import InputError, UnavailableError

DIALECT = {
    "time": "double precision",  # seconds since 1970
    "bytes": "blob",
    "id": "integer",
    "key": "UNIQUE (device, epoch, seq)",  # WITHOUT ROWID is slower for rows of this size
    "repaired": "e.clock_offset + r.mono_ns / 1e9",
}
APPLICATION = 0x45444745  # "EDGE" in the file's header: tells our databases from those of other programs
LOCK_POLL_S = 0.02
REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
INSERT = """INSERT INTO records (device, epoch, seq, kind, pipeline, time, mono_ns, clock, received_at, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device, epoch, seq) DO NOTHING"""
DELETE = """DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE received_at < ? LIMIT ?)
RETURNING device, epoch, seq"""
# What to do about it. Source: sqlite.org/rescode.html
ADVICE = {
    sqlite3.SQLITE_BUSY: "another process has kept it locked for {lock:g} s",
    sqlite3.SQLITE_CANTOPEN: "check that its folder is there and may be written",
    sqlite3.SQLITE_READONLY: "it may not be written: check its permissions and those of its folder",
    sqlite3.SQLITE_FULL: "the disk is full: make room, or delete old rows with edge-infer collector expire",
    sqlite3.SQLITE_IOERR: "the disk reports errors: see the kernel's log",
    sqlite3.SQLITE_CORRUPT: "it is damaged: put it aside, and a backup in its place",
}


class SqliteEngine:
    """A file in WAL mode, fsynced at each commit."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._create = create
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing; waits until no other process writes."""
        with self._within("BEGIN IMMEDIATE") as transaction:
            yield transaction

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Reading, all as of one moment."""
        with self._within("BEGIN") as transaction:
            yield transaction

    def close(self) -> None:
        """Disconnect; what is not committed is undone."""
        if self._connection:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _within(self, begin: str) -> Iterator[Transaction]:
        try:
            self._connection = self._connection or self._connect()
            self._connection.execute(begin)
            yield SqliteTransaction(self._connection)
            self._connection.execute("COMMIT")
        except REFUSALS as error:
            raise InputError(f"the database {self._path} refuses a value: {error}") from error
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            if self._connection and self._connection.in_transaction:
                self.close()

    def _connect(self) -> sqlite3.Connection:
        if not self._create and not self._path.is_file():
            raise UnavailableError(f"there is no database {self._path}: name the one that the collector writes")
        connection = sqlite3.connect(self._path, timeout=LOCK_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        if self._is_current(connection):
            return
        _turn_on_wal(connection)
        connection.execute("BEGIN EXCLUSIVE")
        if not self._is_current(connection):  # else another collector was faster
            version = _number(connection, "user_version")
            for statement in migrations.statements(version, DIALECT, str(self._path)):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {migrations.newest()}")
        connection.execute("COMMIT")

    def _is_current(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables are those of this program.

        Raises:
            UnavailableError: they are those of another program.
        """
        changes = _number(connection, "schema_version")  # of tables; asked first: another collector may make them now
        if _number(connection, "application_id") != APPLICATION:
            if changes:
                raise UnavailableError(f"{self._path} is the database of another program: name another file")
            return False
        return _number(connection, "user_version") == migrations.newest()

    def _failure(self, error: sqlite3.Error) -> UnavailableError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            return UnavailableError(f"{self._path} is no SQLite database: name another file")
        advice = ADVICE.get(code, "trying again").format(lock=LOCK_S)
        if code == sqlite3.SQLITE_CANTOPEN and not self._path.parent.is_dir():
            advice = f"there is no folder {self._path.parent}: make it"
        elif code == sqlite3.SQLITE_CANTOPEN and not os.access(self._path.parent, os.W_OK):
            advice = f"the folder {self._path.parent} may not be written: check its permissions"
        return DatabaseError(f"the database {self._path}: {error}; {advice}")


class SqliteTransaction:
    """Statements of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer."""
        return self._connection.execute(sql, tuple(values)).fetchall()

    def write(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run it once for each; returns how many rows were written."""
        return max(0, self._connection.executemany(sql, rows).rowcount)

    def insert_records(self, records: Iterable[Record]) -> int:
        """Insert those that are not there yet; returns how many."""
        return self.write(INSERT, records)

    def delete_records(self, before: float, limit: int) -> list[tuple[str, int, int]]:
        """Delete some that were received before this time."""
        return self._connection.execute(DELETE, (before, limit)).fetchall()

    def moment(self, seconds: float) -> float:
        """Seconds since 1970, as they are."""
        return seconds


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    """The file remembers it. This statement alone does not wait for a lock, but fails at once."""
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(LOCK_POLL_S)
        else:
            return


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number
