"""Results and state at a real broker."""

import time
from pathlib import Path

import msgspec
import pytest
from broker import Mosquitto, Subscriber
from made import Publishers, a_result, an_event
from mqtt_proxy import Proxy
from waiting import until

from edge_infer.deliver import outbox
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.errors import UsageError
from edge_infer.mqtt.broker import Broker
from edge_infer.wire.ledger import Ledger
from edge_infer.wire.payloads import Envelope, Gaps, Info, Latest, StatusMessage
from edge_infer.wire.result_payloads import WireResult


@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
def test_results_arrive_once_each_in_order(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers, protocol: str
) -> None:
    publisher = publish_to(mosquitto.url, protocol=protocol)
    assert [publisher.publish(a_result(number)) for number in range(300)] == list(range(1, 301))
    until(lambda: len(subscriber.seqs()) >= 300, what="300 results")
    assert subscriber.seqs() == list(range(1, 301))
    frames = [result["frame"] for envelope in subscriber.envelopes() for result in envelope["results"]]
    assert frames == list(range(300))
    assert {heard.qos for heard in subscriber.on("/results/door")} == {1}
    until(lambda: publisher.health().acknowledged == 300, what="the acknowledgements")
    assert publisher.close() == 0


def test_an_envelope_says_whose_results_these_are(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url, clock_state=lambda: "unsynced", root="acme/edge")
    publisher.publish(a_result(41), "yard")
    until(lambda: subscriber.on("acme/edge/porch/results/yard"), what="the result")
    envelope = msgspec.json.decode(subscriber.on("/yard")[-1].payload, type=Envelope[WireResult])
    assert (envelope.schema, envelope.device, envelope.epoch) == ("edge-infer/results@1", "porch", 1)
    assert (envelope.boot, envelope.clock) == (publisher.outbox.boot, "unsynced")
    assert (envelope.first_seq, envelope.results[0].frame) == (1, 41)


def test_the_results_of_several_pipelines_share_one_row_of_numbers(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url)
    for number in range(40):
        publisher.publish(a_result(number), "door" if number % 3 else "yard")
    until(lambda: len(subscriber.seqs()) == 40, what="40 results")
    assert sorted(subscriber.seqs()) == list(range(1, 41))
    yard = [result["frame"] for heard in subscriber.on("/results/yard") for result in heard.said["results"]]
    assert yard == list(range(0, 40, 3))


def test_events_have_a_topic_of_their_own_and_share_the_numbers(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url)
    seqs = [
        publisher.publish(a_result(1)),
        publisher.publish_event(an_event(1), "door"),
        publisher.publish(a_result(2)),
    ]
    assert seqs == [1, 2, 3]
    until(lambda: subscriber.on("/events/door"), what="the event")
    [event] = [record for heard in subscriber.on("/events/door") for record in heard.said["results"]]
    assert (event["label"], event["phase"], event["frame"]) == ("person", "start", 1)
    assert [heard.said["first_seq"] for heard in subscriber.on("/events/door")] == [2]
    assert publisher.close() == 0


def test_the_result_of_an_unnamed_stream_gets_a_topic_that_recalls_it(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publish_to(mosquitto.url).publish(a_result(source="rtsp://porch:554/stream"))
    until(lambda: subscriber.on("/results/rtsp-porch-554-stream"), what="the result")


@pytest.mark.parametrize("pipeline", ["a/b", "#", "$x"])
def test_a_pipeline_that_is_no_level_of_a_topic_is_refused(tmp_path: Path, pipeline: str) -> None:
    publisher = MqttPublisher("mqtt://h", device="porch", state_dir=tmp_path)
    with pytest.raises(UsageError, match="pipeline"):
        publisher.publish(a_result(), pipeline)
    assert publisher.outbox.counts.put == 0
    publisher.close()


def test_a_clean_end_says_offline_and_the_last_number(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    with MqttPublisher(mosquitto.url, device="porch", state_dir=Path("/nowhere/to/write")) as publisher:
        for number in range(120):
            publisher.publish(a_result(number))
    until(lambda: "offline" in subscriber.states(), what="the goodbye")
    assert subscriber.seqs() == list(range(1, 121))
    assert subscriber.states() == ["online", "offline"]
    last = msgspec.json.decode(subscriber.on("/status")[-1].payload, type=StatusMessage)
    assert (last.device, last.epoch, last.boot, last.last_seq) == (
        "porch",
        publisher.outbox.epoch,
        publisher.outbox.boot,
        120,
    )


def test_strict_publishing_returns_when_the_result_is_on_the_disk(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url, ack="collector", outbox=OutboxSettings(durability="strict", commit_s=60.0))
    for number in range(1, 20):
        publisher.publish(a_result(number))
        assert publisher.health().stored == number


def test_results_that_come_before_the_start_wait_for_nobody(tmp_path: Path) -> None:
    limits = OutboxSettings(durability="strict")
    publisher = MqttPublisher("mqtt://127.0.0.1:1", device="porch", state_dir=tmp_path, outbox=limits)
    started = time.monotonic()
    for number in range(5):
        publisher.publish(a_result(number))
    assert time.monotonic() - started < 2.0
    publisher.close()


def test_closing_twice_and_publishing_afterwards_do_no_harm(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.wait_connected(5.0)
    assert publisher.close() == 0
    publisher.publish(a_result())
    assert publisher.close() == 1


def test_state_is_there_for_whoever_comes_later(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.set_info(
        Info(
            device="porch",
            time=time.time(),
            version="1",
            runtime="r",
            python="3",
            platform="p",
            machine="m",
            config_sha256="0",
            pipelines={},
        )
    )
    publisher.set_status("degraded", {"door": "no frames"})
    publisher.publish(a_result(3))
    until(lambda: publisher.health().acknowledged == 1, what="the acknowledgement")
    with Subscriber(mosquitto.port) as late:
        until(lambda: len(late.heard) == 3, what="what is retained")
        assert {heard.topic.split("/", 3)[-1] for heard in late.heard} == {"status", "info", "latest/door"}
        assert all(heard.retain for heard in late.heard)
        status = msgspec.json.decode(late.on("/status")[0].payload, type=StatusMessage)
        assert (status.state, status.reasons) == ("degraded", {"door": "no frames"})
        latest = msgspec.json.decode(late.on("/latest/door")[0].payload, type=Latest[WireResult])
        assert (latest.counts, latest.result.frame) == ({"face": 1}, 3)


def test_the_same_state_is_said_once(mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url)
    until(lambda: subscriber.states() == ["online"], what="the first")
    for state in ("online", "degraded", "degraded", "online"):
        publisher.set_status(state, {"door": "dark"} if state == "degraded" else None)
    publisher.publish(a_result())
    until(lambda: subscriber.seqs() == [1], what="the result that comes after")
    assert subscriber.states() == ["online", "degraded", "online"]


def test_the_latest_result_comes_at_most_once_a_second(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(mosquitto.url)
    started = time.monotonic()
    for number in range(200):
        publisher.publish(a_result(number))
    until(lambda: len(subscriber.seqs()) == 200, what="200 results")
    assert 1 <= len(subscriber.on("/latest/door")) <= 1 + (time.monotonic() - started)


def test_a_snapshot_is_not_kept_while_the_broker_is_away(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    with Proxy(mosquitto.port, blocked=True) as proxy, Subscriber(mosquitto.port) as subscriber:
        publisher = publish_to(proxy.url)
        publisher.snapshot(b"old picture", "door")
        proxy.blocked = False
        publisher.wait_connected(10.0)
        publisher.snapshot(b"new picture", "door")
        until(lambda: subscriber.on("/snapshot/door"), what="the picture")
        assert [heard.payload for heard in subscriber.on("/snapshot/door")] == [b"new picture"]


def test_a_full_outbox_reports_a_gap_that_closes_the_ledger(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    with Proxy(mosquitto.port, blocked=True) as proxy, Subscriber(mosquitto.port) as subscriber:
        publisher = publish_to(proxy.url, outbox=OutboxSettings(max_bytes=20_000))
        for number in range(400):
            publisher.publish(a_result(number))
        evicted = publisher.health().evicted
        assert 0 < evicted < 400
        proxy.blocked = False
        until(lambda: publisher.health().acknowledged == 400 - evicted, 20.0, "the rest")
        until(lambda: subscriber.on("/gaps"), what="the gap")
        ledger = Ledger()
        for seq in subscriber.seqs():
            ledger.add(seq, seq)
        for heard in subscriber.on("/gaps"):
            for gap in msgspec.json.decode(heard.payload, type=Gaps).gaps:
                assert (gap.epoch, gap.reason) == (1, "outbox full")
                ledger.add(gap.first, gap.last)
        assert ledger.ranges() == [(1, 400)]
        assert ledger.duplicates == 0


@pytest.mark.parametrize(("announced", "window", "most"), [("max_inflight_messages 3", 20, 3), ("", 2, 2)])
def test_no_more_messages_are_in_flight_than_both_sides_allow(
    tmp_path: Path,
    publish_to: Publishers,
    monkeypatch: pytest.MonkeyPatch,
    announced: str,
    window: int,
    most: int,
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 1)
    with Mosquitto(tmp_path, f"allow_anonymous true\n{announced}") as mosquitto, Proxy(mosquitto.port) as proxy:
        publisher = publish_to(proxy.url, window=window)
        for number in range(200):
            publisher.publish(a_result(number))
        until(lambda: publisher.health().acknowledged == 200, 20.0, "200 acknowledgements")
        assert proxy.most_in_flight == most


def test_a_window_larger_than_paho_likes_is_used(
    tmp_path: Path, publish_to: Publishers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH_ROWS", 1)
    with (
        Mosquitto(tmp_path, "allow_anonymous true\nmax_inflight_messages 200") as mosquitto,
        Proxy(mosquitto.port) as proxy,
    ):
        publisher = publish_to(proxy.url, window=60)
        publisher.wait_connected(5.0)
        with mosquitto.frozen():
            for number in range(200):
                publisher.publish(a_result(number))
            until(lambda: publisher.health().in_flight >= 55, what="a full window")
            until(lambda: proxy.most_in_flight >= 55, what="a full window on its way")
        until(lambda: publisher.health().acknowledged == 200, what="200 acknowledgements")
        assert proxy.most_in_flight <= 60


@pytest.mark.parametrize("how", ["answer", "hang up"])
def test_a_broker_that_speaks_only_3_1_1_is_served_so(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers, how: str
) -> None:
    with Proxy(mosquitto.port, refuse_v5=how) as proxy:
        publisher = publish_to(proxy.url)
        publisher.publish(a_result())
        until(lambda: publisher.health().acknowledged == 1, what="the acknowledgement")
        assert proxy.levels == [5, 4]
        assert publisher.close() == 0
        until(lambda: proxy.idle, what="the end of the connection")  # else the proxy itself would cut it
    until(lambda: "offline" in subscriber.states(), what="the goodbye")
    assert subscriber.seqs() == [1]
    assert subscriber.states()[-1] == "offline"


def test_a_broker_object_is_taken_as_it_is(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    publish_to(Broker(url=mosquitto.url)).wait_connected(5.0)
