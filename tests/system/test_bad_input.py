"""A real device and a real collector among senders of nonsense, and with what they need taken away: all is named."""

import logging
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from broker import Mosquitto, Subscriber, with_acl, with_password
from chain import Chain
from chaos_run.device import a_result
from chaos_run.parts import MissingProgramError
from chaos_run.postgres import Postgres
from waiting import until

from edge_infer import MqttPublisher
from edge_infer.deliver import sender
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.flow.backoff import Backoff

RESULT = {"time": 1.7e9, "mono_ns": 1, "frame": 1}
ENVELOPE = {
    "schema": "edge-infer/results@1",
    "device": "liar",
    "epoch": 1,
    "boot": "ab",
    "first_seq": 1,
    "clock": "synced",
    "results": [RESULT],
}


def envelope(**changes: Any) -> bytes:
    return msgspec.json.encode(ENVELOPE | changes)


BAD = {  # what it is: (payload, what the reason says)
    "truncated": (envelope()[:-20], "truncated"),
    "compressed and truncated": (zlib.compress(envelope())[:-20], "cut off"),
    "huge when inflated": (zlib.compress(bytes(20_000_000)), "grows beyond"),
    "not JSON": (b"\xff\xfe\x00", "UTF-8"),
    "of a later schema": (envelope(schema="edge-infer/results@2"), "results@2"),
    "of another device": (envelope(device="porch"), "'porch'"),
    "without results": (envelope(results=[]), "results"),
    "not a number": (envelope().replace(b"1700000000.0", b"NaN"), "is not as agreed"),
    "infinite": (envelope().replace(b"1700000000.0", b"1e999"), "is not as agreed"),
    "nested too deeply": (b'{"results":' + b"[" * 100_000, "nested"),
    "beyond all numbers": (envelope(first_seq=2**53), "first_seq"),
}


@pytest.fixture
def chain(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Chain]:
    with Chain(tmp_path, mosquitto.port) as chain:
        yield chain


def test_each_bad_message_is_kept_with_its_reason_and_stops_nothing(chain: Chain, mosquitto: Mosquitto) -> None:
    chain.device.start()
    chain.accepts(50)
    with Subscriber(mosquitto.port, "nothing") as sender:
        for number, (payload, _) in enumerate(BAD.values()):
            sender.send(f"edge/v1/liar/results/case-{number}", payload)
        in_1970 = [RESULT | {"time": 0.0}, RESULT | {"time": 0.1}]
        sender.send("edge/v1/young/results/door", envelope(device="young", clock="unsynced", results=in_1970))
    chain.accepts(50)
    query = "SELECT topic, reason FROM dead_letters"
    until(lambda: len(chain.select(query)) >= len(BAD), what="the dead letters")
    until(lambda: chain.select("SELECT 1 FROM records WHERE device = 'young'"), what="the rows of 1970")
    proof = chain.ends()
    assert proof.holds("strict"), proof
    reasons = {topic.rsplit("/")[-1]: reason for topic, reason in chain.select(query)}
    for number, (what, (_, said)) in enumerate(BAD.items()):
        assert said in reasons[f"case-{number}"], what
    assert len(reasons) == len(BAD)
    assert chain.select("SELECT time, clock FROM records WHERE device = 'young'") == [
        (0.0, "unsynced"),
        (0.1, "unsynced"),
    ]


def test_a_database_that_is_locked_for_a_while_costs_nothing(chain: Chain) -> None:
    chain.device.start()
    chain.accepts(100)
    with closing(sqlite3.connect(chain.database, isolation_level=None, timeout=20.0)) as other:
        other.execute("BEGIN EXCLUSIVE")
        chain.accepts(400)
        other.execute("ROLLBACK")
    proof = chain.ends()
    assert proof.holds("strict"), proof


def away(tmp_path: Path, mosquitto: Mosquitto, results: int) -> None:
    pytest.importorskip("psycopg", reason="needs psycopg: pip install edge-infer[collector]")
    try:
        server = Postgres(tmp_path)
    except MissingProgramError as error:
        pytest.skip(str(error))
    try:
        server.start()
        with Chain(tmp_path, mosquitto.port, database=server.url) as chain:
            chain.device.start()
            chain.accepts(100)
            server.kill()
            chain.accepts(results)
            until(lambda: "127.0.0.1" in chain.collector.lives()[-1].partition("collecting")[2], what="trouble")
            server.start()
            proof = chain.ends()
            assert proof.holds("strict"), proof
            assert proof.made > results
    finally:
        server.remove()


def test_a_database_that_is_away_for_a_while_costs_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    away(tmp_path, mosquitto, 600)


@pytest.mark.slow
def test_a_database_that_is_away_for_half_a_minute_costs_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    away(tmp_path, mosquitto, 6000)


def test_a_wrong_password_is_named_and_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    password = tmp_path / "password"
    password.write_text("wrong\n")
    with with_password(tmp_path, "porch", "right") as broker, device(tmp_path, broker.url, password) as publisher:
        seqs = [publisher.publish(a_result(number, "door")) for number in range(100)]
        until(lambda: "password" in caplog.text, what="the reason")
        assert publisher.health().waiting == 100
        password.write_text("right\n")
        until(lambda: publisher.health().acknowledged == len(seqs), what="all of it")
        assert "wrong" not in caplog.text
        assert "right" not in caplog.text


def test_a_broker_that_lets_us_connect_but_not_publish_is_named_and_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "REFUSED_PAUSE_S", 0.2)
    monkeypatch.setattr(sender, "Backoff", lambda **_: Backoff(base=0.05, cap=0.2))  # mosquitto hangs up, too
    with with_acl(tmp_path, "topic read #") as broker, device(tmp_path, broker.url) as publisher:
        for number in range(100):
            publisher.publish(a_result(number, "door"))
        until(lambda: "the broker refuses a message" in caplog.text, what="the refusal, named")
        assert publisher.health().refused
        named = [record.levelno for record in caplog.records if "refuses" in record.message]
        assert set(named) == {logging.ERROR}
        assert publisher.health().acknowledged == 0
        with Subscriber(broker.port) as subscriber:
            (tmp_path / "acl").write_text("topic readwrite #\n")
            broker.reload()
            until(lambda: publisher.health().acknowledged == 100, 60.0, "all of it")
            until(lambda: set(subscriber.seqs()) >= set(range(1, 101)), what="the last of them")


def device(folder: Path, url: str, password: Path | None = None) -> MqttPublisher:
    login = {"username": "porch", "password_file": password} if password else {}
    settings = OutboxSettings(min_free_bytes=0)
    return MqttPublisher(url, device="porch", state_dir=folder / "state", outbox=settings, ack="broker", **login)
