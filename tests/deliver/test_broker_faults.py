"""A broker that dies, freezes, comes late, or does not want what we send."""

import logging
import threading
import time
from pathlib import Path

import msgspec
import pytest
from broker import Mosquitto, Subscriber, with_acl
from made import Publishers, a_result
from mqtt_proxy import Proxy
from waiting import until

from edge_infer.deliver import outbox, sender
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.flow.backoff import Backoff
from edge_infer.mqtt.broker import Broker
from edge_infer.wire.ledger import Ledger
from edge_infer.wire.payloads import Gaps

# Short enough for a test; a configuration allows no less than 5 s.
KEEPALIVE_S = 1
# mosquitto 2.0.11 hangs up on an MQTT 5 client after a message that an ACL denies, even after saying so (QoS 1).
LATEST = "topic edge/v1/porch/latest/+"


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "Backoff", lambda **_: Backoff(base=0.05, cap=0.2))


def ledger_of(subscriber: Subscriber) -> Ledger:
    ledger = Ledger()
    for seq in subscriber.seqs():
        ledger.add(seq, seq)
    return ledger


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_no_result_is_missing_after_the_broker_was_killed_in_the_middle(
    mosquitto: Mosquitto, publish_to: Publishers, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 1)
    # QoS 0: the broker has passed a result on before it acknowledges it, so that what is missing is our fault
    with Proxy(mosquitto.port) as proxy, Subscriber(mosquitto.port, qos=0) as subscriber:
        publisher = publish_to(proxy.url, protocol=protocol)
        publisher.wait_connected(5.0)
        feeding = threading.Thread(target=lambda: [publisher.publish(a_result(n)) for n in range(3000)])
        feeding.start()
        until(lambda: len(subscriber.seqs()) > 100, what="the first results")
        mosquitto.kill()
        proxy.cut()
        feeding.join(20.0)
        before = len(set(subscriber.seqs()))
        assert before < 3000
        subscriptions = subscriber.subscriptions
        mosquitto.start()
        until(lambda: subscriber.subscriptions > subscriptions, what="the subscriber coming back")
        proxy.blocked = False
        until(lambda: publisher.health().acknowledged == 3000, 20.0, "3000 acknowledgements")
        until(lambda: len(set(subscriber.seqs())) == 3000, what="3000 results")
        ledger = ledger_of(subscriber)
        assert ledger.ranges() == [(1, 3000)]
        assert ledger.duplicates <= publisher.broker.window
        assert publisher.reconnects == 1
        assert subscriber.states() == ["online", "online"]
        assert publisher.close() == 0


def test_a_short_freeze_of_the_broker_costs_nothing(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.wait_connected(5.0)
    with mosquitto.frozen():
        for number in range(500):
            publisher.publish(a_result(number))
        until(lambda: publisher.health().in_flight, what="results on their way")
    until(lambda: len(subscriber.seqs()) == 500, what="500 results")
    assert subscriber.seqs() == list(range(1, 501))
    assert publisher.reconnects == 0


def test_a_long_freeze_is_noticed_and_all_results_arrive_afterwards(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(Broker(url=mosquitto.url, keepalive_s=KEEPALIVE_S))
    publisher.wait_connected(5.0)
    with mosquitto.frozen():
        for number in range(100):
            publisher.publish(a_result(number))
        until(lambda: not publisher._sender.connected, 10.0, "the loss noticed")
        assert publisher.health().waiting == 100
    until(lambda: publisher.health().acknowledged == 100, 20.0, "100 acknowledgements")
    until(lambda: ledger_of(subscriber).ranges() == [(1, 100)], what="100 results")


def test_closing_while_the_broker_is_frozen_ends_in_time(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.wait_connected(5.0)
    with mosquitto.frozen():
        for number in range(5):
            publisher.publish(a_result(number))
        started = time.monotonic()
        assert publisher.close(drain_s=0.5) == 5
        assert time.monotonic() - started < 3.0


def test_a_broker_that_comes_later_gets_everything(
    tmp_path: Path, publish_to: Publishers, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto = Mosquitto(tmp_path)
    publisher = publish_to(mosquitto.url)
    for number in range(200):
        publisher.publish(a_result(number))
    until(lambda: "Connection refused, trying again" in caplog.text, what="the warning")
    with mosquitto:
        until(lambda: publisher.health().acknowledged == 200, what="200 acknowledgements")
    assert [record.getMessage() for record in caplog.records].count(
        f"cannot reach the broker {mosquitto.url}: Connection refused, trying again"
    ) == 1


def test_a_broker_that_comes_while_we_end_gets_everything(tmp_path: Path, publish_to: Publishers) -> None:
    mosquitto = Mosquitto(tmp_path)
    publisher = publish_to(mosquitto.url)
    for number in range(200):
        publisher.publish(a_result(number))
    closing = threading.Thread(target=publisher.close)
    closing.start()
    with mosquitto:
        closing.join(10.0)
        assert publisher.health().acknowledged == 200
        with Subscriber(mosquitto.port) as late:
            until(lambda: late.states() == ["offline"], what="the goodbye")


def test_what_the_broker_refuses_is_counted_logged_and_tried_again(
    tmp_path: Path, publish_to: Publishers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sender, "REFUSED_PAUSE_S", 0.1)
    with with_acl(tmp_path, "topic edge/v1/porch/status", LATEST) as mosquitto:
        publisher = publish_to(mosquitto.url)
        for number in range(5):
            publisher.publish(a_result(number))
        until(lambda: publisher.health().refused >= 3, what="three refusals")
        health = publisher.health()
        assert (health.acknowledged, health.evicted, health.waiting + health.in_flight) == (0, 0, 5)
        (first, *_) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert first.msg == "the broker refuses a message, trying again later"
        assert (vars(first)["topic"], vars(first)["reason"]) == ("edge/v1/porch/results/door", "Not authorized")


def test_state_that_is_refused_does_not_hold_up_results(tmp_path: Path, publish_to: Publishers) -> None:
    with with_acl(tmp_path, "topic edge/v1/porch/results/door", LATEST) as mosquitto:
        publisher = publish_to(mosquitto.url)
        for number in range(5):
            publisher.publish(a_result(number))
        until(lambda: publisher.health().acknowledged == 5, 5.0, "the acknowledgements")
        assert publisher.health().refused == 1


def test_a_broker_that_hangs_up_again_and_again_is_asked_ever_more_rarely(
    mosquitto: Mosquitto, publish_to: Publishers, monkeypatch: pytest.MonkeyPatch
) -> None:
    backoff = Backoff(base=0.01, cap=0.05)
    monkeypatch.setattr(sender, "Backoff", lambda **_: backoff)
    with Proxy(mosquitto.port) as proxy:
        publisher = publish_to(proxy.url)
        for _ in range(3):
            until(lambda: publisher._sender.connected, what="a connection")
            proxy.cut()
            until(lambda: not publisher._sender.connected, what="the loss")
            proxy.blocked = False
        until(lambda: publisher._sender.connected, what="a connection")
        assert backoff.attempt >= 3


def test_a_gap_whose_report_was_lost_on_the_way_is_reported_again(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(mosquitto.port, blocked=True) as proxy:
        publisher = publish_to(proxy.url, outbox=OutboxSettings(max_bytes=2000))
        for number in range(50):
            publisher.publish(a_result(number))
        breaks = [True]
        really = sender.Link.publish

        def publish(link: sender.Link, message: sender.Message) -> int:
            if message.topic.endswith("/gaps") and breaks:
                breaks.clear()
                raise sender.UplinkError("the connection broke")
            return really(link, message)

        monkeypatch.setattr(sender.Link, "publish", publish)
        proxy.blocked = False
        until(lambda: subscriber.on("/gaps"), what="the gap")
    gaps = msgspec.json.decode(subscriber.on("/gaps")[0].payload, type=Gaps).gaps
    assert [(gap.first, gap.last) for gap in gaps] == [(1, publisher.health().evicted)]


def test_a_daemon_that_is_gone_without_a_goodbye_is_lost(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    with Proxy(mosquitto.port) as proxy, Subscriber(mosquitto.port) as subscriber:
        publisher: MqttPublisher = publish_to(proxy.url)
        until(lambda: subscriber.states() == ["online"], what="the device")
        proxy.cut()
        until(lambda: subscriber.states() == ["online", "lost"], what="the last will")
        proxy.blocked = False
        until(lambda: subscriber.states() == ["online", "lost", "online"], what="the return")
        assert subscriber.on("/status")[1].said["boot"] == publisher.outbox.boot
