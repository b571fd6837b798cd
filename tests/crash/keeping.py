"""A device in this process that publishes, and what must hold at every moment and at the end."""

import itertools
from pathlib import Path
from typing import Any

from broker import Mosquitto, Subscriber
from chaos_run.device import a_result
from mqtt_proxy import Proxy
from waiting import until

from edge_infer import MqttPublisher
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.tools.local_broker import free_port
from edge_infer.wire.payloads import OutboxHealth
from edge_infer.wire.ranges import Ranges


class Keeping:
    """A publisher whose state lies in `state`, and a broker that is away until `deliver`."""

    def __init__(self, folder: Path, state: Path, **limits: Any) -> None:
        self.broker = Mosquitto(folder)
        self.port = free_port()
        settings = OutboxSettings(**{"min_free_bytes": 0, "commit_s": 0.1} | limits)
        self.publisher = MqttPublisher(
            f"mqtt://127.0.0.1:{self.port}",
            device="porch",
            state_dir=state,
            outbox=settings,
            ack="broker",
            backlog_per_s=1e6,
        )
        self.publisher.start()

    def make(self, results: int) -> None:
        """Publish, and look at the accounts."""
        before = self.publisher.health().last_seq
        for number in range(before + 1, before + results + 1):
            assert self.publisher.publish(a_result(number, "door")) == number
        self.adds_up()

    def adds_up(self) -> OutboxHealth:
        with self.publisher.outbox.changed:
            c = self.publisher.outbox.counts
            assert c.recovered + c.put == c.waiting + c.in_flight + c.acknowledged + c.evicted
        return self.publisher.health()

    @property
    def trouble(self) -> str:
        return self.publisher.health().trouble or ""

    def is_well(self) -> None:
        """Wait until all that waits is on the disk."""

        def kept() -> bool:
            health = self.adds_up()
            return health.trouble is None and health.stored == health.waiting

        until(kept, 60.0, "all on the disk")

    def deliver(self) -> tuple[Ranges, Ranges]:
        """The broker is back: the numbers that arrived, and those in gaps, when the device has told all and ended."""
        stored, given_up = Ranges(), Ranges()
        with (
            self.broker,
            Subscriber(self.broker.port, "edge/v1/porch/#") as subscriber,
            Proxy(self.broker.port, at=self.port),  # only now: who subscribes later would miss something
        ):
            assert self.publisher.close(60.0) == 0
            until(lambda: "offline" in subscriber.states(), what="the goodbye")
            for envelope in subscriber.envelopes():
                first = envelope["first_seq"]
                assert stored.add(first, first + len(envelope["results"]) - 1) == len(envelope["results"]), "double"
            gaps = {(gap["epoch"], gap["first"]): gap for heard in subscriber.on("/gaps") for gap in heard.said["gaps"]}
            for gap in gaps.values():
                assert given_up.add(gap["first"], gap["last"]) == gap["last"] - gap["first"] + 1, f"{gap} overlaps"
        return stored, given_up


def all_accounted(stored: Ranges, given_up: Ranges, made: int) -> bool:
    """Each number 1..made is in one of both."""
    both = Ranges(itertools.chain(stored, given_up))
    return stored.count + given_up.count == made and list(both) == [(1, made)]
