"""The tables are made and brought up to date when a database is opened, by one of those that open it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from arriving import NOW, dump, rows, select

from edge_infer.collector import migrations, postgresql, sqlite
from edge_infer.collector.database import open_database
from edge_infer.errors import EdgeInferError, UnavailableError

OPEN = """
import sys
from arriving import NOW, rows
from edge_infer.collector.database import open_database

print("ready", flush=True)
sys.stdin.readline()
database = open_database(sys.argv[1])
database.store([rows(1, 1, device=sys.argv[2])], NOW)
database.close()
"""


@pytest.mark.parametrize("count", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_collectors_that_start_at_once_make_the_tables_once(database_url: str, count: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    pipe = subprocess.PIPE
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, database_url, f"d{i}"], stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )
        for i in range(count)
    ]
    for process in starting:
        assert process.stdout
        process.stdout.readline()
    for process in starting:
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1].decode() for process in starting]
    assert said == [""] * count
    database = open_database(database_url)
    assert len(dump(database)["records"]) == count
    database.close()


class Steps:
    """The steps that the program knows, which a test may add to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.first = migrations._steps()
        self.second: dict[int, str] = {}
        monkeypatch.setattr(migrations, "_steps", lambda: self.first | self.second)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def test_a_database_is_brought_up_to_date_and_keeps_its_rows(database_url: str, steps: Steps) -> None:
    database = open_database(database_url)
    database.store([rows(1, 3)], NOW)
    before = dump(database)
    database.close()
    steps.second = {2: "CREATE TABLE more (at {time});\nCREATE INDEX more_at ON more (at);\n"}
    for _ in range(2):
        database = open_database(database_url)
        assert dump(database) == before
        assert select(database, "SELECT at FROM more") == []
        database.close()


def test_a_step_that_fails_leaves_the_database_as_it_was(database_url: str, steps: Steps) -> None:
    database = open_database(database_url)
    database.store([rows(1, 3)], NOW)
    before = dump(database)
    database.close()
    steps.second = {2: "DROP VIEW results;\nDROP TABLE gaps;\nSELECT * FROM nothing;\n"}
    with pytest.raises(EdgeInferError, match="nothing"):
        open_database(database_url)
    steps.second = {}
    database = open_database(database_url)
    assert dump(database) == before
    assert len(select(database, "SELECT seq FROM results")) == 3
    database.close()


def test_a_database_of_a_newer_version_is_refused(database_url: str, steps: Steps) -> None:
    steps.second = {2: "CREATE TABLE more (at {time});\n"}
    open_database(database_url).close()
    steps.second = {}
    with pytest.raises(UnavailableError, match=r"has version 2, this edge-infer knows up to 1: update edge-infer"):
        open_database(database_url)


def test_both_databases_spell_all_that_the_steps_leave_open() -> None:
    for dialect in (sqlite.DIALECT, postgresql.DIALECT):
        asked: set[str] = set()

        class Asked(dict[str, str]):
            def __getitem__(self, key: str, asked: set[str] = asked) -> str:
                asked.add(key)
                return super().__getitem__(key)

        spelt: Mapping[str, str] = Asked(dialect)
        assert len(migrations.statements(0, spelt, "here")) > 10
        assert asked == set(dialect)
