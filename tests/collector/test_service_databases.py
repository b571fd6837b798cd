"""The collector with a real database that is locked, stops, or does not let it in."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from broker import Mosquitto, Subscriber
from postgres import LOGIN, PASSWORD, Postgres
from running import Collecting, acknowledged, acks
from said import envelope, gaps, status
from waiting import until

from edge_infer.collector import sqlite
from edge_infer.collector.audit import EpochAudit, audit
from edge_infer.collector.database import open_database
from edge_infer.errors import UnavailableError
from edge_infer.wire.payloads import Gap

DOOR = "edge/v1/porch/results/door"


def audited(url: str) -> list[EpochAudit]:
    database = open_database(url, create=False)
    try:
        return audit(database)
    finally:
        database.close()


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that can lock the database."""
    connection = sqlite3.connect(tmp_path / "collected.db", isolation_level=None, timeout=20.0)
    yield connection
    connection.close()


def test_each_number_is_one_row_or_in_one_gap(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting, database_url: str
) -> None:
    running = collecting(mosquitto.url, open_database=partial(open_database, database_url)).collects()
    for first_seq in (*range(1, 100, 3), 1, 4, 7):
        subscriber.send(DOOR, envelope(first_seq, 3))
    subscriber.send("edge/v1/porch/gaps", gaps(Gap(epoch=1, first=100, last=104, reason="outbox full")))
    subscriber.send("edge/v1/porch/status", status("offline", last_seq=104))
    until(lambda: acknowledged(subscriber) == set(range(1, 100)), what="the acknowledgements")
    until(lambda: any(ack.gaps for ack in acks(subscriber)), what="that of the gap")
    running.stop()
    (found,) = audited(database_url)
    assert found.is_proved
    assert (found.rows, found.highest, [gap.lost for gap in found.gaps]) == (99, 104, [5])


def test_good_messages_beside_bad_ones_are_stored(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting, database_url: str
) -> None:
    running = collecting(mosquitto.url, open_database=partial(open_database, database_url)).collects()
    bad = [
        b"",
        b"garbage",
        envelope()[:-3],
        envelope(device="attic"),
        envelope().replace(b"face", b"fa\xffe"),
        envelope().replace(b"0.75", b"NaN"),
        envelope(results=[{"time": -1.0}]),
        envelope(results=[{"time": 1.0, "mono_ns": 2**64}]),
        b'{"x":' * 5000,
        b"\x78\x9cgarbage",
    ]
    strange = [
        envelope(1, results=[{"time": 0, "text": "\0 \x7f \U0001f600"}]),
        envelope(2, results=[{"time": 253_402_300_799, "mono_ns": 2**63 - 1, "kind": "far"}]),
        envelope(3, results=[{"time": 1e-300}]),
    ]
    for number, payload in enumerate(bad):
        subscriber.send(DOOR, payload)
        subscriber.send(DOOR, envelope(10 + number, 1))
    for payload in strange:
        subscriber.send(DOOR, payload)
    good = {1, 2, 3, *range(10, 10 + len(bad))}
    until(lambda: acknowledged(subscriber) == good, what="the good ones acknowledged")
    running.stop()
    (found,) = audited(database_url)
    assert found.rows == len(good)
    assert found.dead_letters == len(bad)


def test_nothing_is_acknowledged_while_the_database_is_locked(
    mosquitto: Mosquitto,
    subscriber: Subscriber,
    collecting: Collecting,
    tmp_path: Path,
    locked: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sqlite, "LOCK_S", 0.2)
    url = str(tmp_path / "collected.db")
    running = collecting(mosquitto.url, open_database=partial(open_database, url)).collects()
    locked.execute("BEGIN IMMEDIATE")
    for first_seq in range(1, 11):
        subscriber.send(DOOR, envelope(first_seq, 1))
    until(lambda: "database is locked" in caplog.text, what="the warning")
    until(lambda: running.collector._ingest.in_hand >= 10, what="ten in hand")
    assert acks(subscriber) == []
    assert locked.execute("SELECT count(*) FROM records").fetchone() == (0,)
    locked.execute("COMMIT")
    until(lambda: acknowledged(subscriber) == set(range(1, 11)), what="the acknowledgements")
    assert running.collector._connection == 1


def test_a_postgresql_that_stops_and_comes_back_costs_nothing(
    mosquitto: Mosquitto,
    subscriber: Subscriber,
    collecting: Collecting,
    postgres: Postgres,
    postgres_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = collecting(mosquitto.url, open_database=partial(open_database, postgres_url)).collects()
    feeding = threading.Thread(
        target=lambda: [subscriber.send(DOOR, envelope(first_seq, 10)) for first_seq in range(1, 3001, 10)]
    )
    feeding.start()
    until(lambda: len(acknowledged(subscriber)) >= 100, what="the first acknowledgements")
    with postgres.away():
        until(lambda: "trying again" in caplog.text, what="the loss noticed")
        feeding.join(30.0)
        assert len(acknowledged(subscriber)) < 3000
    until(lambda: acknowledged(subscriber) == set(range(1, 3001)), 60.0, "all acknowledged")
    assert running.collector._connection == 1
    running.stop()
    (found,) = audited(postgres_url)
    assert (found.is_proved, found.rows) == (True, 3000)


def test_two_collectors_of_a_group_write_one_database(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting, database_url: str
) -> None:
    pair = [
        collecting(mosquitto.url, open_database=partial(open_database, database_url), client_id=name).collects()
        for name in ("collector-a", "collector-b")
    ]
    for first_seq in (*range(1, 61), *range(20, 40)):
        subscriber.send(DOOR, envelope(first_seq, 1))
    until(lambda: acknowledged(subscriber) == set(range(1, 61)), what="all acknowledged")
    until(lambda: sum(one.collector._ingest.in_hand for one in pair) == 0, what="empty hands")
    for one in pair:
        one.stop()
        assert one.collector._ingest.total.rows
    (found,) = audited(database_url)
    assert (found.rows, found.missing, found.double) == (60, (), ())


def test_a_wrong_password_of_the_database_is_one_line_and_69(
    mosquitto: Mosquitto, postgres: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    name = postgres_url.rsplit("/", 1)[1]
    secret = tmp_path / "secret"
    secret.write_text(f"not {PASSWORD}\n")
    url = postgres.url(name, LOGIN)
    done = subprocess.run(
        [sys.executable, "-m", "edge_infer", "collector", "run", "--mqtt", mosquitto.url, "--db", url,
         "--db-password-file", secret],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == UnavailableError.exit_code
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("edge-infer:")]
    assert "check the user, and the password" in said
    assert PASSWORD not in done.stderr
