"""A database that is away, full, locked, damaged, or not ours: nothing is half stored, and it goes on by itself."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import power
import pytest
from arriving import NOW, row, rows, select, seqs
from full_disk import small_disk
from postgres import LOGIN, PASSWORD, Postgres

from edge_infer.collector import postgresql, sqlite
from edge_infer.collector.arrivals import DatabaseError, Row
from edge_infer.collector.database import SqlDatabase, open_database
from edge_infer.errors import EdgeInferError, InputError, UnavailableError, UsageError
from edge_infer.tools.local_broker import free_port


@contextmanager
def opened(url: str, password_file: Path | None = None) -> Iterator[SqlDatabase]:
    database = open_database(url, password_file=password_file)
    try:
        yield database
    finally:
        database.close()


def test_a_server_that_goes_away_is_reached_again_by_the_next_store(postgres: Postgres, postgres_url: str) -> None:
    with opened(postgres_url) as database:
        database.store([rows(1, 3)], NOW)
        with postgres.away():
            for _ in range(2):
                with pytest.raises(DatabaseError, match="the database postgresql://edge@127"):
                    database.store([rows(4, 6)], NOW)
        assert database.store([rows(1, 6)], NOW).rows == 3
        assert seqs(database) == [1, 2, 3, 4, 5, 6]


def test_a_database_that_comes_back_from_a_backup_is_not_taken_for_the_old_one(
    postgres: Postgres, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    with opened(postgres_url) as database:
        database.store([rows(1, 3, boot="first")], NOW)
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")
        postgres.sql(f"CREATE DATABASE {name}")
        with pytest.raises(DatabaseError):
            database.store([rows(4, 6)], NOW)
        assert database.store([rows(4, 6, boot="second")], NOW).conflicts == []


@pytest.fixture
def login(postgres: Postgres) -> Iterator[str]:
    """A user with a password."""
    postgres.sql(f"CREATE ROLE {LOGIN} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    yield LOGIN
    postgres.sql(f"DROP OWNED BY {LOGIN}; DROP ROLE {LOGIN}")


def test_the_password_comes_from_a_file(
    login: str, postgres: Postgres, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.pgpass
    url = postgres.url(postgres_url.rpartition("/")[2], login)
    with pytest.raises(DatabaseError, match="give a password file"):
        open_database(url)
    password = tmp_path / "password"
    with pytest.raises(UnavailableError, match="password file"):
        open_database(url, password_file=password)
    password.write_text("wrong\n")
    with pytest.raises(DatabaseError, match="check the user, and the password") as caught:
        open_database(url, password_file=password)
    assert "wrong" not in str(caught.value)
    password.write_text(PASSWORD + "\nand more\n")
    with opened(url, password) as database:
        database.store([rows(1, 3)], NOW)
    pgpass = tmp_path / ".pgpass"
    pgpass.write_text(f"127.0.0.1:*:*:{login}:{PASSWORD}\n")
    pgpass.chmod(0o600)
    with opened(url) as database:
        assert seqs(database) == [1, 2, 3]
        postgres.sql(f"REASSIGN OWNED BY {login} TO CURRENT_USER", postgres_url.rpartition("/")[2])


def test_what_a_server_refuses_is_said_with_what_to_do(postgres: Postgres) -> None:
    with pytest.raises(DatabaseError, match=r'database "nowhere" does not exist.*; make it with createdb$'):
        open_database(postgres.url("nowhere"))
    with pytest.raises(DatabaseError, match=r"refused.*; check that the server runs, and the host and port$"):
        open_database(f"postgresql://edge@127.0.0.1:{free_port()}/test")


URLS = {
    "another scheme": "mysql://me:secret@host/database",
    "a web page": "https://host/database",
    "nothing": "",
    "SQLite in memory": ":memory:",
    "SQLite without a path": "sqlite://",
    "a host with SQLite": "sqlite://host/path",
    "a password": "postgresql://me:secret@host/database",
    "a password at the end": "postgresql://me@host/database?password=secret",
    "no URL of libpq": "postgresql://me@host:port:secret/x?nothing=1",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_a_url_that_is_none_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(UsageError, match=r"database") as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def test_a_path_and_its_url_are_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with opened("here.db") as database:
        database.store([rows(1, 3)], NOW)
    for url in ("sqlite:///here.db", f"sqlite:///{tmp_path}/here.db", str(tmp_path / "here.db")):
        with opened(url) as database:
            assert seqs(database) == [1, 2, 3]


def test_a_file_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"there is no folder .*nowhere: make it"):
        open_database(str(tmp_path / "nowhere" / "x.db"))
    with pytest.raises(DatabaseError, match="unable to open"):
        open_database(str(tmp_path))
    other = tmp_path / "picture.jpg"
    other.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(UnavailableError, match=r"picture.jpg is no SQLite database: name another file"):
        open_database(str(other))


def test_a_file_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="there is no database"):
        open_database(str(tmp_path / "x.db"), create=False)
    assert list(tmp_path.iterdir()) == []


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE records (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(UnavailableError, match="another program"):
        open_database(str(path))
    assert path.read_bytes() == before


def test_tables_of_another_program_in_postgresql_are_left_alone(postgres: Postgres, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.sql("CREATE TABLE gaps (x int)", name)
    with pytest.raises(UnavailableError, match="tables of another program"):
        open_database(postgres_url)
    assert postgres.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name) == "gaps"


def test_a_file_that_another_process_keeps_locked_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOCK_S", 0.1)
    path = tmp_path / "x.db"
    with opened(str(path)) as database:
        database.store([rows(1, 3)], NOW)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match=r"locked; another process has kept it locked for 0.1 s$"):
            database.store([rows(4, 6)], NOW)
        assert seqs(database) == [1, 2, 3]  # reading goes on
        other.close()
        assert database.store([rows(4, 6)], NOW).rows == 3


def test_a_table_that_is_locked_is_waited_for_and_then_told(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "SETTINGS", ("SET lock_timeout = '100ms'",))
    with opened(postgres_url) as database, opened(postgres_url) as other:
        with other._engine.transaction() as transaction:
            transaction.write("LOCK TABLE records", [()])
            with pytest.raises(DatabaseError, match="another connection has kept it locked"):
                database.store([rows(1, 3)], NOW)
        assert database.store([rows(1, 3)], NOW).rows == 3


def test_a_full_disk_is_told_and_what_was_stored_stays(tmp_path: Path) -> None:
    with small_disk(tmp_path, kilobytes=2000) as disk, opened(str(disk.path / "x.db")) as database:
        database.store([rows(1, 3)], NOW)
        disk.fill()
        big = rows(4, rows=[Row(1.0, None, b'"%s"' % (b"x" * 100_000))])
        for _ in range(2):
            with pytest.raises(DatabaseError, match="the disk is full: make room"):
                database.store([big], NOW)
        disk.free()
        assert database.store([big], NOW).rows == 1
        assert seqs(database) == [1, 2, 3, 4]


def test_what_was_stored_outlives_a_power_cut(tmp_path: Path) -> None:
    with power.disk(tmp_path) as disk:
        url = str(disk.path / "x.db")
        for turn in range(3):
            first = turn * 100 + 1
            with opened(url) as database:
                database.store([rows(first, first + 49)], NOW)
                database.store([rows(first + 50, first + 99)], NOW)
                disk.cut_power()
                with pytest.raises(DatabaseError, match=r"the disk reports errors: see the kernel.s log"):
                    database.store([rows(first + 100, first + 149)], NOW)
            disk.remount()
            with opened(url) as database:
                assert seqs(database) == list(range(1, first + 100))


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with opened(str(path)) as database:
        database.store([rows(1, 400)], NOW)
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with opened(str(path)) as database, pytest.raises(EdgeInferError, match="damaged: put it aside"):
        database.store([rows(401, 500)], NOW)


def test_a_server_that_does_not_wait_for_its_disk_is_told_to(postgres: Postgres, postgres_url: str) -> None:
    postgres.sql("ALTER ROLE edge SET synchronous_commit = off")
    try:
        with opened(postgres_url) as database:
            assert select(database, "SHOW synchronous_commit") == [("on",)]
    finally:
        postgres.sql("ALTER ROLE edge RESET synchronous_commit")


def test_a_value_that_is_refused_does_not_look_like_a_database_that_is_away(database_url: str) -> None:
    with opened(database_url) as database:
        with pytest.raises(InputError) as caught:
            database.store([rows(1, rows=[Row(1.0, 2**70, b"{}")])], NOW)
        assert not isinstance(caught.value, DatabaseError)


COLLECT = """
import sys
from arriving import NOW, rows
from edge_infer.collector.database import open_database

database = open_database(sys.argv[1])
for first in range(1, 10**9, 50):
    database.store([rows(first, first + 19), rows(first + 20, first + 49)], NOW)
    print(first + 49, flush=True)
"""


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_what_was_stored_outlives_a_kill_and_nothing_is_half_stored(database_url: str, kills: int) -> None:
    stored = 0
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", COLLECT, database_url], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout
        said = [process.stdout.readline() for _ in range(15)]
        process.send_signal(signal.SIGKILL)
        said += process.communicate(timeout=20)[0].split()
        stored = max([stored, *map(int, said)])
        with opened(database_url) as database:
            found = seqs(database)
        assert found == list(range(1, len(found) + 1))
        assert len(found) % 50 == 0
        assert stored <= len(found)


def test_sqlite_needs_no_psycopg(tmp_path: Path) -> None:
    """And without it, PostgreSQL says what is missing."""
    code = f"""
import sys
sys.modules["psycopg"] = None
from edge_infer.collector.database import open_database
from edge_infer.errors import UnavailableError
open_database({str(tmp_path / "x.db")!r}).close()
try:
    open_database("postgresql://host/database")
except UnavailableError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "PostgreSQL needs psycopg: pip install 'edge-infer[collector]'\n"


def test_a_collector_that_is_frozen_in_a_transaction_does_not_hold_up_the_others_for_ever(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "SETTINGS", ("SET idle_in_transaction_session_timeout = '200ms'",))
    with opened(postgres_url) as frozen, opened(postgres_url) as other:
        with pytest.raises(DatabaseError), frozen._engine.transaction() as transaction:  # noqa: PT012
            transaction.insert_records([("porch", 1, 1, 1, "door", 1.0, None, "synced", NOW, "{}")])
            assert other.store([rows(1, rows=[row(1, 1.0)])], NOW).rows == 1  # once the server has ended the first
        assert seqs(frozen) == [1]
