"""A collector in a thread of this process, and what a device hears of it."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
from broker import Subscriber
from said import MemoryDatabase
from waiting import until

from edge_infer.collector.arrivals import Database
from edge_infer.collector.service import Collector
from edge_infer.mqtt.broker import Broker
from edge_infer.wire.payloads import Ack


class Running:
    """A collector in a thread of this process; of a database in memory, where it is not told what to open."""

    def __init__(
        self,
        url: str,
        database: MemoryDatabase | None = None,
        *,
        open_database: Callable[[], Database] | None = None,
        client_id: str = "collector-a",
        **broker: Any,
    ) -> None:
        self.database = database or MemoryDatabase()
        self.error: Exception | None = None
        options = {"url": url, "protocol": "5", "keepalive_s": 5, **broker}
        self.collector = Collector(
            Broker(**options), open_database or (lambda: self.database), group="night", client_id=client_id
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.collector.run()
        except Exception as error:  # noqa: BLE001
            self.error = error

    def collects(self) -> "Running":
        until(lambda: self.collector.collecting.is_set() or not self._thread.is_alive(), what="the subscriptions")
        assert self.error is None
        return self

    def ends(self) -> None:
        self._thread.join(20.0)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        self.collector.stop()
        self.ends()


Collecting = Callable[..., Running]


def acks(heard: Subscriber, device: str = "porch") -> list[Ack]:
    return [msgspec.json.decode(message.payload, type=Ack) for message in heard.on(f"/{device}/ack")]


def acknowledged(heard: Subscriber, device: str = "porch") -> set[int]:
    return {seq for ack in acks(heard, device) for _, first, last in ack.ranges for seq in range(first, last + 1)}
