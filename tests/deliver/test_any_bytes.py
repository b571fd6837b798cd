"""Whatever comes from the network, a device and a subscriber go on."""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import a_result
from mutation import edits, mutated

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Message
from edge_infer.tools.watch import Watch
from edge_infer.wire.payloads import Ack, Envelope, Gap, Gaps, StatusMessage
from edge_infer.wire.result_payloads import WireResult
from edge_infer.wire.results import to_wire

Changes: TypeAlias = list[tuple[int, int, bytes]]
ROOT = "edge/v1/porch"
COMMAND = b'{"id": "q1", "reply_to": "a/b", "not_after": 1e12, "token": "t", "pipeline": "door"}'
ENVELOPE = Envelope[WireResult](
    device="porch", epoch=1, boot="b", first_seq=1, clock="synced", results=[to_wire(a_result(n)) for n in range(2)]
)
SAID = {
    "results/door": msgspec.json.encode(ENVELOPE),
    "gaps": msgspec.json.encode(
        Gaps(device="porch", boot="b", gaps=(Gap(epoch=1, first=3, last=9, reason="outbox full"),))
    ),
    "status": msgspec.json.encode(StatusMessage(device="porch", state="online", time=1.0, epoch=1, boot="b")),
}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttPublisher]:
    publisher = MqttPublisher("mqtt://127.0.0.1:1", device="porch", state_dir=tmp_path_factory.mktemp("state"))
    yield publisher
    publisher.close()


def acknowledged(device: MqttPublisher, changes: Changes) -> None:
    outbox = device.outbox
    seq = device.publish(a_result())
    payload = mutated(msgspec.json.encode(Ack(boot=outbox.boot, ranges=((1, seq, seq), (1, 10**9, 10**9)))), changes)
    before = outbox.counts.acknowledged
    device._sender._received(Message(f"{ROOT}/ack", payload))
    after = outbox.counts
    assert after.put == after.waiting + after.in_flight + after.acknowledged + after.evicted
    if after.acknowledged > before:
        ranges = msgspec.json.decode(payload, type=Ack).ranges
        assert any(epoch == 1 and first <= last for epoch, first, last in ranges)


def asked(device: MqttPublisher, changes: Changes) -> None:
    device._sender._received(Message(f"{ROOT}/cmd/ping", mutated(COMMAND, changes)))


def watched(what: str, changes: Changes) -> None:
    watch = Watch(Broker(url="mqtt://127.0.0.1:1"))
    watch.add(Message(f"{ROOT}/{what}", mutated(SAID[what], changes)))
    assert watch.devices["porch"].lost >= 0


def goes_on(device: MqttPublisher, changes: Changes, others: Changes, what: str) -> None:
    acknowledged(device, changes)
    asked(device, others)
    watched(what, changes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits, edits, st.sampled_from(sorted(SAID)))
def test_damaged_messages_do_no_harm(device: MqttPublisher, changes: Changes, others: Changes, what: str) -> None:
    goes_on(device, changes, others, what)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=100_000)
@given(edits, edits, st.sampled_from(sorted(SAID)))
def test_a_hundred_thousand_do_no_harm(device: MqttPublisher, changes: Changes, others: Changes, what: str) -> None:
    goes_on(device, changes, others, what)
