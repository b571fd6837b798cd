"""Databases to collect into, and collectors."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from running import Collecting, Running

from edge_infer.collector import service
from edge_infer.flow.backoff import Backoff


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests; one that stops it starts it again."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, empty database."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "collected.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collecting]:
    """Starts collectors that try again soon; they are stopped at the end."""
    monkeypatch.setattr(service, "Backoff", lambda **_: Backoff(base=0.05, cap=0.2))
    with ExitStack() as stack:

        def start(*arguments: Any, **options: Any) -> Running:
            running = Running(*arguments, **options)
            stack.callback(running.stop)
            stack.callback(running.database.go_on)
            return running

        yield start
