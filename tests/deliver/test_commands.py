"""Commands to a device."""

from typing import Any

import msgspec
import pytest
from broker import Mosquitto, Subscriber
from made import Publishers, a_result
from waiting import until

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.wire.payloads import Response

CMD = "edge/v1/porch/cmd"


@pytest.fixture
def device(mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers) -> MqttPublisher:
    """Connected, and subscribed to its commands."""
    publisher = publish_to(mosquitto.url)
    publisher.publish(a_result())
    until(lambda: subscriber.seqs() == [1], what="the device")
    subscriber.send(f"{CMD}/ping", b"")
    until(lambda: subscriber.on("/res/ping"), what="the first answer")
    subscriber.heard.clear()
    return publisher


def answer(subscriber: Subscriber, topic: str) -> Response:
    until(lambda: subscriber.on(topic), what=f"an answer on {topic}")
    return msgspec.json.decode(subscriber.on(topic)[0].payload, type=Response)


def test_a_ping_is_answered_with_time_and_epoch(device: MqttPublisher, subscriber: Subscriber) -> None:
    subscriber.send(f"{CMD}/ping", b"")
    response = answer(subscriber, "edge/v1/porch/res/ping")
    assert response.ok
    assert response.data["epoch"] == device.outbox.epoch
    assert response.data["time"] > 1e9


def test_the_answer_goes_where_mqtt_5_says_and_carries_the_correlation(
    device: MqttPublisher, subscriber: Subscriber
) -> None:
    subscriber.send(f"{CMD}/ping", b"{}", response_topic="me/here", correlation=b"\x00\xff7")
    assert answer(subscriber, "me/here").ok
    assert subscriber.on("me/here")[0].correlation == b"\x00\xff7"
    assert not subscriber.on("/res/ping")


def test_the_answer_goes_where_the_body_says_and_carries_its_id(device: MqttPublisher, subscriber: Subscriber) -> None:
    subscriber.send(f"{CMD}/ping", b'{"id": "q1", "reply_to": "me/there", "later": 1}')
    response = answer(subscriber, "me/there")
    assert (response.ok, response.id) == (True, "q1")


def test_3_1_1_answers_too(mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url, protocol="3.1.1")
    publisher.wait_connected(5.0)
    until(lambda: publisher._sender.connected, what="the connection")

    def answered() -> list[Any]:
        subscriber.send(f"{CMD}/ping", b'{"id": "old", "reply_to": "me/old"}')
        return subscriber.on("me/old")

    until(answered, what="the answer")
    assert answer(subscriber, "me/old").id == "old"


def test_an_unknown_command_is_answered_with_what_there_is(device: MqttPublisher, subscriber: Subscriber) -> None:
    subscriber.send(f"{CMD}/dance", b'{"id": "q2"}')
    response = answer(subscriber, "/res/dance")
    assert (response.ok, response.id) == (False, "q2")
    assert response.error == "there is no command 'dance'; allowed here: ping"


@pytest.mark.parametrize(
    "payload",
    [
        b"garbage",
        b"\xff\x00\xfe",
        b"[]",
        b'{"id": 7}',
        b'{"reply_to": "a/#"}',
        b'{"reply_to": "a/+/b"}',
        b'{"reply_to": "a\\u0000b"}',
        b'{"reply_to": ""}',
        b'{"reply_to": "' + b"x" * 70_000 + b'"}',
        b'{"later": ' + b"[" * 100_000,
    ],
    ids=lambda payload: payload[:30],
)
def test_garbage_is_answered_and_the_device_lives_on(
    device: MqttPublisher, subscriber: Subscriber, payload: bytes
) -> None:
    subscriber.send(f"{CMD}/ping", payload)
    response = answer(subscriber, "/res/ping")
    assert not response.ok
    assert "not understood" in str(response.error)
    device.publish(a_result())
    until(lambda: device.health().acknowledged == 2, what="the next result")
    assert (device.error, device.reconnects) == (None, 0)


def test_a_retained_command_is_ignored(mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers) -> None:
    subscriber.send(f"{CMD}/ping", b'{"id": "stale"}', retain=True)
    publisher = publish_to(mosquitto.url)
    publisher.wait_connected(5.0)

    def answered() -> list[Any]:
        subscriber.send(f"{CMD}/ping", b'{"id": "fresh"}')
        return subscriber.on("/res/ping")

    until(answered, what="the answer")
    assert {heard.said["id"] for heard in subscriber.on("/res/ping")} == {"fresh"}
