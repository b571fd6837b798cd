"""Rows in PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from edge_infer.collector import migrations
from edge_infer.collector.arrivals import DatabaseError
from edge_infer.collector.engine import LOCK_S, Record, Transaction
from edge_infer.errors import InputError, UnavailableError, UsageError

DIALECT = {
    "time": "timestamptz",
    "bytes": "bytea",
    "id": "bigint GENERATED ALWAYS AS IDENTITY",
    # TimescaleDB demands the time in the key. A record that is sent again has the same time, byte for byte.
    "key": "PRIMARY KEY (device, epoch, seq, time)",
    "repaired": "to_timestamp(e.clock_offset + r.mono_ns / 1e9)",
}
MIGRATING = 0x45444745  # the advisory locks: "EDGE"
EXPIRING = MIGRATING + 1
CONNECT: dict[str, str | int] = {
    "application_name": "edge-infer collector",
    "connect_timeout": 10,
    # A server that vanished without a goodbye is noticed within 15 s.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 5,
    "tcp_user_timeout": 15_000,
}
SETTINGS = (
    f"SET lock_timeout = '{LOCK_S:g}s'",
    # A collector that is frozen in the middle of a transaction does not hold up the others for ever.
    "SET idle_in_transaction_session_timeout = '60s'",
)
# Records come by COPY, which cannot skip those that are there already, into a table of this connection.
STAGE = """CREATE TEMP TABLE IF NOT EXISTS incoming (
    device text, epoch bigint, seq bigint, kind smallint, pipeline text, time double precision, mono_ns bigint,
    clock text, received_at double precision, payload text
) ON COMMIT DELETE ROWS"""
TYPES = ("text", "int8", "int8", "int2", "text", "float8", "int8", "text", "float8", "text")
COPY = "COPY pg_temp.incoming FROM STDIN (FORMAT BINARY)"
INSERT = """INSERT INTO records (device, epoch, seq, kind, pipeline, time, mono_ns, clock, received_at, payload)
SELECT device, epoch, seq, kind, pipeline, to_timestamp(time), mono_ns, clock, to_timestamp(received_at), payload
FROM pg_temp.incoming ON CONFLICT DO NOTHING"""
# A ctid is unique only within one partition: another row that it hits is too old as well, and is returned.
DELETE = """DELETE FROM records
WHERE ctid = ANY (ARRAY(SELECT ctid FROM records WHERE received_at < %(before)s LIMIT %(limit)s))
AND received_at < %(before)s RETURNING device, epoch, seq"""
REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded, OverflowError, UnicodeError)
# What to do about it, by what the server says.
ADVICE = {
    "password authentication failed": "check the user, and the password in its file or in ~/.pgpass",
    "no password supplied": "give a password file, or put the password into ~/.pgpass (mode 0600)",
    "Connection refused": "check that the server runs, and the host and port",
    "could not translate host name": "check the host",
    "no pg_hba.conf entry": "the server's pg_hba.conf must let this user in",
    "permission denied": "grant this user what is missing",
    "No space left on device": "make room on the server's disk, or delete old rows with edge-infer collector expire",
}


class PostgresEngine:
    """One connection to a server."""

    def __init__(self, url: str, password_file: Path | None) -> None:
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            # libpq quotes what it cannot read, which may be a password.
            raise UsageError("the database's URL cannot be read: use postgresql://user@host[:port]/database") from error
        if "password" in parts:  # first: the other messages show the URL
            raise UsageError(
                "the database's URL must not hold a password, it is shown in logs: use a password file, or ~/.pgpass"
            )
        self._conninfo = make_conninfo(url, **{name: value for name, value in CONNECT.items() if name not in parts})
        self._where = url
        self._password_file = password_file
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing."""
        with self._within("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE") as transaction:
            yield transaction

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Reading, all as of one moment."""
        with self._within("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as transaction:
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
            self._connection.execute(begin.encode())
            yield PostgresTransaction(self._connection)
            self._connection.execute("COMMIT")
        except REFUSALS as error:
            raise InputError(f"the database {self._where} refuses a value: {_line(error)}") from error
        except psycopg.Error as error:
            raise self._failure(error) from error
        finally:
            if self._connection and self._connection.info.transaction_status != TransactionStatus.IDLE:
                self.close()

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = psycopg.connect(self._conninfo, autocommit=True, password=self._password())
        try:
            for setting in SETTINGS:
                connection.execute(setting.encode())
            if _answer(connection, "SHOW synchronous_commit") == "off":
                connection.execute("SET synchronous_commit = on")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _password(self) -> str | None:
        if self._password_file is None:
            return None
        try:
            return self._password_file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise UnavailableError(
                f"cannot read the database's password file {self._password_file}: {error}"
            ) from error

    def _migrate(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        if _version(connection) == migrations.newest():
            return
        # Before the transaction: one that has begun does not notice tables that another collector made meanwhile.
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATING,))
        with connection.transaction():
            version = _version(connection)
            try:
                for statement in migrations.statements(version, DIALECT, self._where):
                    connection.execute(statement.encode())
            except psycopg.errors.DuplicateTable as error:
                raise UnavailableError(
                    f"the database {self._where} holds tables of another program ({_line(error)}): name another one"
                ) from error
            connection.execute("CREATE TABLE IF NOT EXISTS edge_infer_version (version int NOT NULL)")
            connection.execute("DELETE FROM edge_infer_version")
            connection.execute("INSERT INTO edge_infer_version VALUES (%s)", (migrations.newest(),))
        connection.execute("SELECT pg_advisory_unlock(%s)", (MIGRATING,))

    def _failure(self, error: psycopg.Error) -> DatabaseError:
        said = _line(error)
        advice = next((advice for words, advice in ADVICE.items() if words in said), "trying again")
        if isinstance(error, psycopg.errors.LockNotAvailable):
            advice = f"another connection has kept it locked for {LOCK_S:g} s"
        elif 'database "' in said and "does not exist" in said:
            advice = "make it with createdb"
        return DatabaseError(f"the database {self._where}: {said}; {advice}")


class PostgresTransaction:
    """Statements of one transaction."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer."""
        return self._connection.execute(_placed(sql), values or None).fetchall()

    def write(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run it once for each; returns how many rows were written."""
        if not (rows := list(rows)):
            return 0
        cursor = self._connection.cursor()
        cursor.executemany(_placed(sql), rows)
        return cursor.rowcount

    def insert_records(self, records: Iterable[Record]) -> int:
        """Insert those that are not there yet; returns how many."""
        cursor = self._connection.cursor()
        cursor.execute(STAGE.encode())
        with cursor.copy(COPY) as copy:
            copy.set_types(TYPES)
            for record in records:
                copy.write_row(record)
        return cursor.execute(INSERT).rowcount

    def delete_records(self, before: float, limit: int) -> list[tuple[str, int, int]]:
        """Delete some that were received before this time."""
        self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (EXPIRING,))
        return self._connection.execute(DELETE, {"before": self.moment(before), "limit": limit}).fetchall()

    def moment(self, seconds: float) -> datetime:
        """The time in UTC."""
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise InputError(f"{seconds!r} seconds since 1970 is no time that the database can keep") from error


def _placed(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


def _answer(connection: psycopg.Connection[tuple[Any, ...]], sql: str) -> Any:
    row = connection.execute(sql.encode()).fetchone()
    return row and row[0]


def _version(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    if _answer(connection, "SELECT to_regclass('edge_infer_version')") is None:
        return 0
    return _answer(connection, "SELECT version FROM edge_infer_version") or 0


def _line(error: BaseException) -> str:
    """What it says, on one line."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
