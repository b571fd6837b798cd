"""A subscriber's view of devices: what arrived, what is missing, how fast."""

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import msgspec

from edge_infer.errors import UplinkError
from edge_infer.health.stages import Histogram
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Link, Message, connect
from edge_infer.wire.deflate import InflateError, inflate
from edge_infer.wire.events import WireEvent
from edge_infer.wire.ledger import Ledger
from edge_infer.wire.payloads import Envelope, Gaps, Health, StatusMessage
from edge_infer.wire.result_payloads import WireResult
from edge_infer.wire.topics import HEALTH_STREAM

TURN_S = 0.25
SHOWN = 6  # events of each pipeline that are remembered


@dataclass
class Stream:
    """Results of one pipeline of one device."""

    received: int = 0
    last: WireResult | None = None
    stages: dict[str, Histogram] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    first_time: float = 0.0

    @property
    def fps(self) -> float:
        """Results a second, by the device's clock."""
        elapsed = self.last.time - self.first_time if self.last else 0.0
        return (self.received - 1) / elapsed if elapsed > 0 else 0.0

    def add(self, result: WireResult) -> None:
        """One more result."""
        self.first_time = self.first_time or result.time
        self.received += 1
        self.last = result
        for stage, ms in result.timings_ms.items():
            self.stages.setdefault(stage, Histogram()).add(ms)
        for cause, count in (result.dropped or {}).items():
            self.dropped[cause] = self.dropped.get(cause, 0) + count


@dataclass
class Happened:
    """Events of one pipeline of one device: how many messages, what goes on, and the last ones."""

    received: int = 0
    going: dict[str, WireEvent] = field(default_factory=dict)
    last: deque[WireEvent] = field(default_factory=lambda: deque(maxlen=SHOWN))

    def add(self, event: WireEvent) -> None:
        """One more message."""
        self.received += 1
        self.last.append(event)
        if event.phase == "end":
            self.going.pop(event.id, None)
        else:
            self.going[event.id] = event


@dataclass
class Device:
    """Everything known of one device, for its present epoch."""

    from_start: bool = False  # we were here before its first result
    epoch: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    evicted: int = 0
    joined_at: int = 0  # the last sequence number before the first that was received: what came before is not ours
    status: StatusMessage | None = None
    health: Health | None = None
    streams: dict[str, Stream] = field(default_factory=dict)
    happened: dict[str, Happened] = field(default_factory=dict)

    def enter(self, epoch: int, first_seq: int) -> bool:
        """Begin a new epoch if this is one; False for an old one, whose stragglers are not counted."""
        if epoch > self.epoch:
            self.epoch, self.ledger, self.evicted = epoch, Ledger(), 0
            self.joined_at = 0 if self.from_start else first_seq - 1
            if self.joined_at:
                self.ledger.add(1, self.joined_at)
        return epoch == self.epoch

    @property
    def published(self) -> int | None:
        """Results since we joined, as the device says at its end; None before."""
        if self.status is None or self.status.last_seq is None or self.status.epoch != self.epoch:
            return None
        return self.status.last_seq - self.joined_at

    @property
    def received(self) -> int:
        """Different results that arrived, of this epoch."""
        return len(self.ledger) - self.joined_at - self.evicted

    @property
    def lost(self) -> int:
        """Results that neither arrived nor were reported as a gap."""
        ranges = self.ledger.ranges()
        last = ranges[-1][1] if ranges else 0
        if self.status and self.status.last_seq is not None and self.status.epoch == self.epoch:
            last = max(last, self.status.last_seq)
        return sum(end - first + 1 for first, end in self.ledger.missing(last))


class Watch:
    """Subscribes to all that devices say, and keeps count."""

    def __init__(
        self,
        broker: Broker,
        device: str | None = None,
        *,
        results: TextIO | None = None,
        events: TextIO | None = None,
        snapshot: Path | None = None,
        from_start: bool = False,
    ) -> None:
        """Watch one device, or all; append each result to `results`, each event to `events`.

        The newest picture is kept in `snapshot`. Results before the first that is heard are not ours to count, unless
        we were here `from_start`.
        """
        self.devices: dict[str, Device] = {}
        self.unreadable = 0
        self._results = results
        self._events = events
        self._snapshot = snapshot
        self._from_start = from_start
        self._depth = broker.root.count("/") + 1
        self._broker = broker
        self._filter = f"{broker.root}/{device or '+'}/#"

    def run(self, until: Callable[[], bool], on_ready: Callable[[], None], on_turn: Callable[[], None]) -> None:
        """Watch until `until()`; `on_ready` once subscribed, `on_turn` a few times a second.

        Raises:
            UplinkError: the broker cannot be reached, refuses us, or was lost.
        """
        client_id = f"edge-infer-watch-{secrets.token_hex(4)}"
        link = connect(self._broker, client_id, subscribe=(self._filter,), on_message=self.add)
        try:
            self._await_subscription(link)
            on_ready()
            while not until():
                link.wait(TURN_S)
                on_turn()
        finally:
            link.close()

    def _await_subscription(self, link: Link) -> None:
        deadline = time.monotonic() + 5.0
        while not link.subscribed:
            if time.monotonic() > deadline:
                raise UplinkError(f"the broker {self._broker.url} does not confirm the subscription to {self._filter}")
            link.wait(0.1)

    def add(self, message: Message) -> None:
        """Take one message into account; what cannot be read is counted."""
        levels = message.topic.split("/")[self._depth :]
        if len(levels) < 2 or levels[0] == "_collector":
            return
        device = self.devices.setdefault(levels[0], Device(self._from_start))
        try:
            self._read(device, levels[1], levels[2:], message.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, InflateError, RecursionError):
            self.unreadable += 1

    def _read(self, device: Device, kind: str, rest: list[str], payload: bytes) -> None:
        if kind in ("results", "events") and rest:
            self._add_envelope(device, kind, rest[0], inflate(payload))
        elif kind == "gaps":
            for gap in msgspec.json.decode(payload, type=Gaps).gaps:
                if gap.last is not None and device.enter(gap.epoch, gap.first):
                    before = len(device.ledger)
                    device.ledger.add(gap.first, gap.last)
                    device.evicted += len(device.ledger) - before  # a report may come twice
        elif kind == "status":
            device.status = msgspec.json.decode(payload, type=StatusMessage)
        elif kind == "health":
            device.health = msgspec.json.decode(payload, type=Health)
        elif kind == "snapshot" and self._snapshot:
            written = self._snapshot.with_name(f".{self._snapshot.name}.new")
            written.write_bytes(payload)
            written.replace(self._snapshot)

    def _add_envelope(self, device: Device, kind: str, pipeline: str, payload: bytes) -> None:
        numbered = msgspec.json.decode(payload, type=Envelope[msgspec.Raw])
        if not device.enter(numbered.epoch, numbered.first_seq):
            return
        first = numbered.first_seq
        new = device.ledger.add(first, first + len(numbered.results) - 1)
        if kind == "events":
            events = msgspec.json.decode(payload, type=Envelope[WireEvent]).results
            self._add_events(device, pipeline, [one for a, b in new for one in events[a - first : b - first + 1]])
        elif pipeline != HEALTH_STREAM:
            results = msgspec.json.decode(payload, type=Envelope[WireResult]).results
            self._add_results(device, pipeline, [one for a, b in new for one in results[a - first : b - first + 1]])

    def _add_events(self, device: Device, pipeline: str, events: list[WireEvent]) -> None:
        """Count events that have not come before."""
        happened = device.happened.setdefault(pipeline, Happened())
        for event in events:
            happened.add(event)
            self._write(self._events, event)

    def _add_results(self, device: Device, pipeline: str, results: list[WireResult]) -> None:
        """Count results that have not come before."""
        stream = device.streams.setdefault(pipeline, Stream())
        for result in results:
            stream.add(result)
            self._write(self._results, result)

    def _write(self, out: TextIO | None, said: WireResult | WireEvent) -> None:
        if out:
            line = msgspec.to_builtins(said) | {"received_at": time.time()}
            out.write(msgspec.json.encode(line).decode() + "\n")
            out.flush()
