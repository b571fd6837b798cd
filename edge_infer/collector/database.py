"""Where rows go: a SQLite file, or PostgreSQL."""

import importlib.util
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from edge_infer.collector import retention, writing
from edge_infer.collector.arrivals import Arrival, Stored
from edge_infer.collector.engine import Engine, Transaction
from edge_infer.collector.sqlite import SqliteEngine
from edge_infer.errors import UnavailableError, UsageError

FORM = "use a path, sqlite:///path, or postgresql://user@host[:port]/database"
MAX_EPOCHS = 100_000  # of which the owners are remembered, about 40 MB; more are looked up again


def open_database(url: str, *, password_file: Path | None = None, create: bool = True) -> "SqlDatabase":
    """A database that can be reached, its tables brought up to date.

    `url`: a path, sqlite:///path, or postgresql://user@host/database; its password comes from the first line of
    `password_file`, or from where libpq looks (PGPASSFILE, ~/.pgpass, a service). `create`: make a SQLite file that
    is not there.

    Raises:
        UsageError: the URL is not one of these, or holds a password.
        DatabaseError: the database is away, or refuses us.
        UnavailableError: it is of a newer version, or of another program.
    """
    database = SqlDatabase(_engine(url, password_file, create))
    with database.snapshot():  # connects
        return database


def _engine(url: str, password_file: Path | None, create: bool) -> Engine:
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and separator:
        if not importlib.util.find_spec("psycopg"):
            raise UnavailableError("PostgreSQL needs psycopg: pip install 'edge-infer[collector]'")
        from edge_infer.collector.postgresql import PostgresEngine

        return PostgresEngine(url, password_file)
    path = rest.removeprefix("/") if separator else url
    if (separator and (scheme != "sqlite" or path == rest)) or path in ("", ":memory:"):
        name = f"{scheme}://..." if separator else repr(url)  # the rest may hold a password
        raise UsageError(f"{name} is no database that edge-infer can write; {FORM}")
    return SqliteEngine(Path(path), create=create)


class SqlDatabase:
    """Implements `arrivals.Database`. Used by one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._epochs: writing.Epochs = {}  # what cannot change any more, to be asked once

    def store(self, arrivals: Sequence[Arrival], received_at: float) -> Stored:
        """Store all of them in one transaction; they are safe when this returns. `received_at`: seconds since 1970.

        Raises:
            DatabaseError: the database is away, or refuses; nothing of it was stored, it is reached anew next time.
            InputError: the database refuses a value in them; nothing of it was stored.
        """
        if len(self._epochs) > MAX_EPOCHS:
            self._epochs.clear()
        try:
            with self._engine.transaction() as transaction:
                return writing.Writing(transaction, self._epochs, received_at).store(arrivals)
        except BaseException:
            self._epochs.clear()  # it may hold what was undone; and the database may come back from a backup
            raise

    def expire(self, before: float) -> int:
        """Delete rows received before this time, keeping the record that they were there; returns how many.

        Raises:
            DatabaseError: the database is away, or refuses; what was deleted before stays deleted.
        """
        return retention.expire(self._engine, before)

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """Reading, all as of one moment, while others write.

        Raises:
            DatabaseError: the database is away, or refuses.
        """
        return self._engine.snapshot()

    def close(self) -> None:
        """Disconnect."""
        self._engine.close()
