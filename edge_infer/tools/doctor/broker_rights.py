"""What the broker lets this device say and hear, tried with messages that harm nobody."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec
from paho.mqtt.enums import MQTTProtocolVersion

from edge_infer.errors import UplinkError
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Link, Message, connect
from edge_infer.tools.doctor.finding import Finding, fail, ok, warn
from edge_infer.wire.payloads import Response, StatusMessage
from edge_infer.wire.topics import Topics

ANSWER_S = 5.0
ECHO_S = 1.0  # a broker hands a message on in milliseconds, or never
PROBE = "_doctor"  # a level that no command has
PRESENT = ("online", "degraded")
ACL = "(docs/subscribers.md has an acl_file)"


def check_rights(broker: Broker, device: str, *, running: bool) -> Iterator[Finding]:
    """Answer a command that nobody gave, and give one that nobody knows: a device that may hear commands hears it.

    Subscribing alone proves nothing: mosquitto agrees, and withholds what its acl_file denies.

    Raises:
        UplinkError: the broker hung up.
    """
    topics = Topics(device, broker.root)
    own, answer, echo = f"{broker.root}/{device}", topics.response(PROBE), topics.all_commands.replace("+", PROBE)
    heard: dict[str, Message] = {}
    link = connect(
        broker,
        f"{device}-doctor",
        subscribe=(topics.all_commands, topics.ack, topics.status),
        on_message=lambda message: heard.update({message.topic: message}),
    )
    sent: dict[int, str] = {}
    lost = None
    try:
        _wait(link, lambda: link.subscribed, ANSWER_S)
        body = msgspec.json.encode(Response(id=None, ok=True, data="edge-infer doctor"))
        for topic in (answer, echo):
            sent[link.publish(Message(topic, body))] = topic
        _wait(link, lambda: len(link.acknowledged) >= len(sent), ANSWER_S)
        if not any(why for _, why in link.acknowledged):
            _wait(link, lambda: echo in heard, ECHO_S)
    except UplinkError as error:
        lost = error
    finally:
        link.close()
    denied = {sent[mid]: why for mid, why in link.acknowledged if why and mid in sent}
    if lost and not denied:  # some brokers refuse, then hang up
        raise lost
    closed = [topic for topic, _ in link.refused if topic != topics.status]  # that one is for others to read
    if answer in denied:
        what = f"the broker refuses what we say below {own}: {denied[answer]}"
        yield fail("broker rights", what, f"let this user write there: `topic write {own}/#` {ACL}")
    elif closed:
        what = f"the broker refuses our subscription to {' and '.join(closed)}"
        yield fail("broker rights", what, f"let this user read there: {_reading(topics)} {ACL}")
    elif echo in heard:
        yield ok("broker rights", f"we may say and hear what is ours below {own}")
    elif echo in denied:
        yield ok("broker rights", f"we may say what is ours below {own}, and subscribe to our commands")
    else:
        yield _silent(link, own, topics)
    if not running and topics.status in heard:
        yield from _twin(device, heard[topics.status].payload)


def spoken(link: Link) -> str:
    """Which MQTT, in words."""
    return f"MQTT {'5' if link.version == MQTTProtocolVersion.MQTTv5 else '3.1.1'}"


def _silent(link: Link, own: str, topics: Topics) -> Finding:
    """Nothing was refused, and nothing came back."""
    if link.version == MQTTProtocolVersion.MQTTv5:
        return warn(
            "broker rights",
            f"we may say what is ours, but nothing comes back from {own}/cmd: commands, and acknowledgements of a "
            "collector, may never arrive",
            f"let this user read there: {_reading(topics)} {ACL}",
        )
    return warn(
        "broker rights",
        f"nothing comes back from {own}/cmd, and MQTT 3.1.1 does not say what is refused: results may get nowhere",
        f"look for `Denied` in the broker's log; let this user do: `topic write {own}/#`, {_reading(topics)} {ACL}",
    )


def _twin(device: str, payload: bytes) -> Iterator[Finding]:
    """Somebody is online with our id, while our daemon is not."""
    try:
        status = msgspec.json.decode(payload, type=StatusMessage)
    except msgspec.DecodeError:
        return
    if status.state in PRESENT:
        since = datetime.fromtimestamp(status.time, UTC).isoformat(" ", "seconds")
        yield warn(
            "device id",
            f"'{device}' is {status.state} at the broker since {since} (boot {status.boot}), and its daemon does not "
            "run here: another device has this id, as the copy of an SD card has",
            "give each device a device.id of its own",
        )


def _wait(link: Link, condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        link.wait(0.05)


def _reading(topics: Topics) -> str:
    return f"`topic read {topics.all_commands}`, `topic read {topics.ack}`"
