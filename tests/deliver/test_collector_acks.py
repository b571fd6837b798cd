"""Results are kept until a collector has stored them; the collector here is the test, the broker is real."""

import socket
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from broker import Mosquitto, Subscriber, with_acl
from made import Publishers, a_result
from mqtt_proxy import read_packet
from waiting import until

from edge_infer.deliver import sender
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.flow.backoff import Backoff
from edge_infer.mqtt.link import Link, Message
from edge_infer.wire.deflate import inflate
from edge_infer.wire.payloads import Ack, Gaps
from edge_infer.wire.topics import Kind

ACK = "edge/v1/porch/ack"


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "Backoff", lambda **_: Backoff(base=0.05, cap=0.2))


def say(subscriber: Subscriber, publisher: MqttPublisher, *ranges: tuple[int, int, int]) -> None:
    subscriber.send(ACK, msgspec.json.encode(Ack(boot=publisher.outbox.boot, ranges=ranges)))


def test_auto_goes_over_to_the_collector_for_good(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.publish(a_result())
    until(lambda: publisher.health().acknowledged == 1, what="the broker's word")
    say(subscriber, publisher)
    until(lambda: publisher.health().ack == "collector", what="the change")
    publisher.publish(a_result())
    until(lambda: subscriber.seqs() == [1, 2], what="the result")
    assert publisher.health().in_flight == 1
    publisher.close(drain_s=1.0)
    again = publish_to(mosquitto.url)
    assert again.health().ack == "collector"
    assert again.health().recovered == 1
    until(lambda: subscriber.seqs() == [1, 2, 2], what="the result again")
    envelope = subscriber.envelopes()[-1]
    assert (envelope["epoch"], envelope["boot"]) == (1, publisher.outbox.boot)
    subscriber.send(ACK, msgspec.json.encode(Ack(boot=publisher.outbox.boot, ranges=((1, 2, 2),))))
    until(lambda: again.health().acknowledged == 1, what="the collector's word")


def test_a_broker_that_was_told_to_count_counts(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url, ack="broker")
    publisher.wait_connected(5.0)
    say(subscriber, publisher)
    publisher.publish(a_result())
    until(lambda: publisher.health().acknowledged == 1, what="the broker's word")
    assert publisher.health().ack == "broker"


def test_a_broker_that_loses_what_it_took_costs_nothing(
    mosquitto: Mosquitto, publish_to: Publishers, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = publish_to(mosquitto.url, ack="collector", resend_s=1)  # the subscriber may come later than we
    publisher.wait_connected(5.0)
    for number in range(500):
        publisher.publish(a_result(number))
    until(lambda: publisher.health().in_flight == 500, what="all of it sent")
    mosquitto.kill()
    mosquitto.start()
    with Subscriber(mosquitto.port) as subscriber:
        until(lambda: set(subscriber.seqs()) == set(range(1, 501)), 20.0, "all of it again")
        say(subscriber, publisher, (1, 1, 500))
        until(lambda: publisher.health().acknowledged == 500, what="the collector's word")
    assert publisher.health().oldest is None


def test_an_evicted_range_is_reported_until_the_collector_has_it(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url, ack="collector", resend_s=1, outbox=OutboxSettings(max_bytes=20_000))
    for number in range(300):
        publisher.publish(a_result(number))
    until(lambda: len(subscriber.on("/gaps")) >= 2, 20.0, "the report, twice")
    first, second = (msgspec.json.decode(heard.payload, type=Gaps) for heard in subscriber.on("/gaps")[:2])
    assert first.gaps[0] in second.gaps or len(second.gaps) < len(first.gaps)
    assert publisher.health().oldest == (1, 1)
    known = [gap for heard in subscriber.on("/gaps") for gap in msgspec.json.decode(heard.payload, type=Gaps).gaps]
    done = Ack(boot=publisher.outbox.boot, gaps=tuple((gap.epoch, gap.first) for gap in known))
    subscriber.send(ACK, msgspec.json.encode(done))
    until(lambda: publisher.health().oldest != (1, 1), what="the collector's word")


def test_what_is_no_acknowledgement_is_ignored(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = publish_to(mosquitto.url, ack="collector")
    publisher.publish(a_result())
    until(lambda: subscriber.seqs() == [1], what="the result")
    boot = publisher.outbox.boot
    for payload in (b"", b"\xff", b"[" * 100_000, b"{}", b'{"boot": "%b", "ranges": [[1, 1, 1e99]]}' % boot.encode()):
        subscriber.send(ACK, payload)
    subscriber.send(ACK, b'{"boot": "%b", "ranges": [[1, 1, 1]]}' % boot.encode(), retain=True)
    subscriber.send(ACK, b'{"boot": "somebody else", "ranges": [[1, 1, 1]]}')
    until(lambda: "another device with our id" in caplog.text, what="the complaint")
    assert caplog.text.count("an acknowledgement cannot be read") == 5
    say(subscriber, publisher, (1, 1, 1))
    until(lambda: publisher.health().acknowledged == 1, what="the true one")


def test_copies_in_the_broker_expire_before_the_next_is_sent(
    mosquitto: Mosquitto, publish_to: Publishers, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = publish_to(mosquitto.url, ack="collector", resend_s=7)
    publisher.publish(a_result())
    found: list[int | None] = []
    really = Link.publish

    def publish(link: Link, message: Message) -> int:
        if "/results/" in message.topic:
            found.append(message.expiry_s)
        return really(link, message)

    monkeypatch.setattr(Link, "publish", publish)
    publisher.publish(a_result())
    until(lambda: found, what="a result on its way")
    assert found[0] == 7


def inflated(subscriber: Subscriber) -> list[dict[str, Any]]:
    return [msgspec.json.decode(inflate(heard.payload)) for heard in subscriber.on("/results/door")]


def test_large_messages_may_be_deflated(mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url, deflate=True, root="a/b")
    for number in range(100):
        publisher.publish(a_result(number))
    until(lambda: publisher.health().acknowledged == 100, what="the acknowledgements")
    until(lambda: sum(len(e["results"]) for e in inflated(subscriber)) == 100, what="100 results")
    largest = max(subscriber.on("/results/door"), key=lambda heard: len(inflate(heard.payload)))
    assert len(largest.payload) < len(inflate(largest.payload)) / 2


def test_events_go_to_their_own_topic(mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.outbox.put(Kind.EVENT, "door", b'{"time": 1.0}')
    until(lambda: subscriber.on("/events/door"), what="the event")
    assert subscriber.on("/events/door")[0].said["results"] == [{"time": 1.0}]


def test_a_device_with_our_id_is_recognised_by_what_the_broker_does(
    mosquitto: Mosquitto, publish_to: Publishers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish_to(mosquitto.url).wait_connected(5.0)
    with MqttPublisher(mosquitto.url, device="porch", state_dir=tmp_path / "clone"):
        until(lambda: "another client has our id 'porch'" in caplog.text, what="the complaint")


def test_a_device_with_our_id_is_recognised_by_what_the_broker_says(
    publish_to: Publishers, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = publish_to(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        with server.accept()[0] as client:
            read_packet(client)
            client.sendall(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00")  # CONNACK; DISCONNECT: session taken over
            until(lambda: "two devices have one id" in caplog.text, what="the complaint")
        publisher.close(drain_s=0.0)


def test_a_result_that_the_broker_takes_in_no_size_is_a_gap_and_the_others_arrive(
    tmp_path: Path, publish_to: Publishers
) -> None:
    with (
        Mosquitto(tmp_path, "allow_anonymous true\nmax_packet_size 5000") as mosquitto,
        Subscriber(mosquitto.port) as subscriber,
    ):
        publisher = publish_to(mosquitto.url)
        publisher.outbox.put(Kind.RESULT, "door", b'{"time": 1, "x": "' + b"x" * 9000 + b'"}')
        for number in range(100):
            publisher.publish(a_result(number))
        until(lambda: publisher.health().acknowledged == 100, what="the others")
        until(lambda: subscriber.on("/gaps"), what="the gap")
        (gap,) = msgspec.json.decode(subscriber.on("/gaps")[0].payload, type=Gaps).gaps
        assert (gap.first, gap.last, gap.reason) == (1, 1, "too large")
        assert set(subscriber.seqs()) == set(range(2, 102))


def test_what_nobody_is_subscribed_to_is_counted(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.publish(a_result())
    until(lambda: publisher.health().acknowledged == 1, what="the acknowledgement")
    assert publisher.health().unheard >= 1


def test_a_collector_that_may_not_be_heard_leaves_results_waiting(tmp_path: Path, publish_to: Publishers) -> None:
    rules = ["topic write edge/v1/porch/#", "topic read edge/v1/porch/cmd/+"]
    with with_acl(tmp_path, *rules) as mosquitto:
        publisher = publish_to(mosquitto.url, ack="collector")
        publisher.publish(a_result())
        until(lambda: publisher.health().in_flight == 1, what="the result on its way")
        started = time.monotonic()
        assert publisher.close() == 1
        assert time.monotonic() - started < 5.0


def test_a_clean_end_reports_what_was_given_up(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url, outbox=OutboxSettings(max_bytes=20_000))
    publisher.wait_connected(5.0)
    with mosquitto.frozen():  # or it is fast enough for all of them
        for number in range(300):
            publisher.publish(a_result(number))
    publisher.close()
    until(lambda: "offline" in subscriber.states(), what="the goodbye")
    gaps = [gap for heard in subscriber.on("/gaps") for gap in msgspec.json.decode(heard.payload, type=Gaps).gaps]
    given_up = sum((gap.last or 0) - gap.first + 1 for gap in gaps)
    assert given_up == publisher.health().evicted > 0
    numbers = {n for gap in gaps for n in range(gap.first, (gap.last or 0) + 1)} | set(subscriber.seqs())
    assert numbers == set(range(1, 301))  # one that was on its way when it was given up may be both
