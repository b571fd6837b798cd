"""Readings from a real broker."""

import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broker import Mosquitto, Subscriber, with_password
from scripted import Harness
from waiting import until

from edge_infer.config import parse
from edge_infer.errors import ConfigError, SourceError, UnavailableError, UsageError
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import open_source
from edge_infer.sources.source import BaseSource
from edge_infer.sources.topic import TopicSource
from edge_infer.testing import check_source
from edge_infer.types import Frame


def opened(broker: Mosquitto, topic: str, **options: Any) -> BaseSource:
    return open_source(f"{broker.url}/{topic}", **options)


def rows(source: BaseSource, count: int) -> list[list[float]]:
    return [source.read().data[0].tolist() for _ in range(count)]


def test_a_topic_is_a_source(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    def with_rows() -> BaseSource:
        source = opened(mosquitto, "porch", timeout_s=5.0)
        for value in range(3):
            subscriber.send("porch", f"{value}".encode())
        return source

    check_source(with_rows)


def test_messages_are_rows_and_others_are_counted(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    with opened(mosquitto, "home/attic", channels=("temp", "acc.x"), units=("degC", "m/s^2")) as source:
        subscriber.send("home/cellar", b'{"temp": 0, "acc": {"x": 0}}')
        subscriber.send("home/attic", b'{"temp": 20, "acc": {"x": 1}, "id": "a7"}')
        subscriber.send("home/attic", b"offline")
        subscriber.send("home/attic", b'{"humidity": 40}')
        subscriber.send("home/attic", b'{"temp": 21}')
        found: list[Frame] = [source.read(), source.read()]
    np.testing.assert_array_equal([frame.data[0] for frame in found], [[20, 1], [21, np.nan]])
    assert [(frame.span.start, frame.span.channels, frame.span.units) for frame in found if frame.span] == [
        (0, ("temp", "acc.x"), ("degC", "m/s^2")),
        (3, ("temp", "acc.x"), ("degC", "m/s^2")),
    ]
    assert source.skipped == {"garbage": 1, "channels": 1}


def test_a_message_that_the_broker_keeps_is_old_and_ignored(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    subscriber.send("porch", b"1", retain=True)
    with opened(mosquitto, "porch") as source:
        subscriber.send("porch", b"2")
        assert rows(source, 1) == [[2.0]]
    assert source.skipped == {"retained": 1}
    with opened(mosquitto, "porch", retained=True) as source:
        assert rows(source, 1) == [[1.0]]


def test_wildcards_name_the_channels_by_what_they_stand_for(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    channels = ("attic/temp", "attic/air.co2", "cellar/temp")
    with opened(mosquitto, "home/+/#", channels=channels) as source:
        subscriber.send("home/attic/temp", b"20")
        subscriber.send("home/cellar/temp", b"10")
        subscriber.send("home/attic/air", b'{"co2": 800}')
        subscriber.send("home/attic/door", b"1")
        subscriber.send("home/attic", b'{"temp": 5}')
        subscriber.send("home/attic/temp", b"21")
        found = [source.read().data[0] for _ in range(4)]
    nan = np.nan
    np.testing.assert_array_equal(found, [[20, nan, nan], [nan, nan, 10], [nan, 800, nan], [21, nan, nan]])
    assert source.skipped == {"channels": 2}


def test_more_than_a_reader_takes_is_dropped_from_the_oldest(
    mosquitto: Mosquitto, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_infer.sources.live_rows.BACKLOG", 3)
    with opened(mosquitto, "porch") as source:
        assert isinstance(source, TopicSource)
        for value in range(5):
            subscriber.send("porch", b"%d" % value)
        while source._met < 5:
            source._wait(1.0)
        assert rows(source, 3) == [[2.0], [3.0], [4.0]]
    assert source.skipped == {"overrun": 2}


def test_a_topic_on_which_nothing_comes_is_lost(mosquitto: Mosquitto) -> None:
    with (
        opened(mosquitto, "porch", timeout_s=0.1) as source,
        pytest.raises(SourceError, match="gave no readings for 0"),
    ):
        source.read()


@pytest.mark.usefixtures("no_thread_is_left_behind")
def test_a_broker_that_restarts_is_found_again(mosquitto: Mosquitto) -> None:
    harness = Harness(lambda: opened(mosquitto, "porch"))
    capturing = harness.pipeline._source

    def send(value: int) -> None:
        with Subscriber(mosquitto.port) as sensor:
            sensor.send("porch", b"%d" % value)

    harness.pipeline.start()
    until(lambda: capturing._source is not None, what="the subscription")
    send(1)
    until(lambda: len(harness.published) == 1, what="the first row")
    before, old = capturing.restarts, capturing._source
    mosquitto.kill()
    until(lambda: harness.pipeline.state == "lost", what="the loss of the broker")
    until(lambda: capturing.restarts > before + 1, what="attempts to connect again")
    mosquitto.start()
    until(lambda: capturing._source is not old, what="the new subscription")
    send(2)
    until(lambda: len(harness.published) == 2, what="a row from the new broker")
    harness.stop()
    harness.assert_counts_add_up()


def test_two_sources_of_one_topic_do_not_drive_each_other_away(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    with opened(mosquitto, "porch") as one, opened(mosquitto, "porch") as other:
        subscriber.send("porch", b"7")
        assert rows(one, 1) == rows(other, 1) == [[7.0]]


def test_a_broker_that_refuses_the_subscription_is_an_error() -> None:
    """Mosquitto takes any. Source: MQTT 5 specification, 3.2 CONNACK, 3.9 SUBACK, 0x87 Not authorized."""

    def serve() -> None:
        client, _ = server.accept()
        with client:
            client.recv(1000)
            client.sendall(bytes([0x20, 3, 0, 0, 0]))
            packet = client.recv(1000)
            client.sendall(bytes([0x90, 4, packet[2], packet[3], 0, 0x87]))
            client.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = threading.Thread(target=serve)
        broker.start()
        port = server.getsockname()[1]
        with pytest.raises(SourceError, match=r"does not let us subscribe \(Not authorized\)"):
            open_source(f"mqtt://127.0.0.1:{port}/porch")
        broker.join()


def test_logging_in_needs_the_password(tmp_path: Path) -> None:
    password = tmp_path / "pw"
    password.write_text("secret\n")
    with with_password(tmp_path, "me", "secret") as broker:
        with opened(broker, "porch", username="me", password_file=password, timeout_s=0.1) as source:
            assert source.name == "porch"
        with pytest.raises(SourceError, match="refuses us"):
            opened(broker, "porch")
        with pytest.raises(UnavailableError, match="password file"):
            opened(broker, "porch", username="me", password_file=tmp_path / "none")


def test_a_broker_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match="cannot reach the broker mqtt://127"):
        open_source("mqtt://127.0.0.1:1/porch")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mqtt://host", "names no topic"),
        ("mqtt://host/", "names no topic"),
        ("mqtt://me:secret@host/x", "must not hold a user or password"),
        ("mqtt://host/a#", "is no topic"),
        ("mqtt://host/#/b", "is no topic"),
        ("mqtt://host/a/b+", "is no topic"),
        ("mqtt://host/a/+", "is several topics: say which channels"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_with_its_place(uri: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        open_source(uri)
    assert "secret" not in str(refused.value)
    config = f"source: {{kind: mqtt, uri: '{uri}'}}\nmodel: {{path: x.tflite}}\n"
    with pytest.raises(ConfigError, match=rf":1:.*{said}"):
        parse(config, PipelineSettings)
