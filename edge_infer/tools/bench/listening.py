"""A subscriber in a process of its own: notes when each result and event came, and what it said of its making.

    python -m edge_infer.tools.bench.listening URL DEVICE

It says `ready` when the broker has taken its subscription. When it is told how many there are, on a line, it waits
for the last of them, and says all that it heard.
"""

import select
import signal
import sys
import time

import msgspec
from msgspec import Struct

from edge_infer.errors import UplinkError
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Message, connect
from edge_infer.wire.deflate import inflate
from edge_infer.wire.payloads import Envelope

EVENTS = "events"  # the level of a topic
TURN_S = 0.05
LAST_S = 5.0  # for what the broker has taken and not passed on yet


class Said(Struct):
    """What is wanted of a result, or of an event, which has no timings."""

    frame: int
    mono_ns: int
    timings_ms: dict[str, float] = {}


class Heard(Struct):
    """One result or event: when its frame was captured and it was heard, both on the clock that all processes share.

    Attributes:
        is_event: else it is a result
    """

    is_event: bool
    frame: int
    captured_ns: int
    heard_ns: int
    timings_ms: dict[str, float]


def main(url: str, device: str) -> None:
    """Listen until the input says how many there are, or ends; what came is read only then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal: who started us ends us
    came: list[tuple[int, Message]] = []

    def note(message: Message) -> None:
        came.append((time.monotonic_ns(), message))

    broker = Broker(url=url)
    wanted = tuple(f"{broker.root}/{device}/{kind}/#" for kind in (EVENTS, "results"))
    link = connect(broker, f"{device}-listening", subscribe=wanted, on_message=note)
    try:
        while not link.subscribed:
            link.wait(TURN_S)
        print("ready", flush=True)  # noqa: T201 - what the other process waits for
        while not select.select([sys.stdin], [], [], 0)[0]:
            link.wait(TURN_S)
        there_are, deadline = int(sys.stdin.readline() or 0), time.monotonic() + LAST_S
        while len(heard := read(came)) < there_are and time.monotonic() < deadline:
            link.wait(TURN_S)
    finally:
        link.close()
    sys.stdout.buffer.write(msgspec.json.encode(heard))


def read(came: list[tuple[int, Message]]) -> list[Heard]:
    """What the messages hold, in the order in which they came; one that came twice is there once."""
    found: dict[int, Heard] = {}
    for heard_ns, message in came:
        envelope = msgspec.json.decode(inflate(message.payload), type=Envelope[Said])
        is_event = message.topic.split("/")[-2] == EVENTS
        for seq, said in enumerate(envelope.results, envelope.first_seq):
            found.setdefault(seq, Heard(is_event, said.frame, said.mono_ns, heard_ns, said.timings_ms))
    return list(found.values())


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except UplinkError as error:
        sys.exit(f"the subscriber of the benchmark: {error}")
