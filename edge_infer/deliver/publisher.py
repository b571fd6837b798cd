"""Results and state of one device, published to a broker: what an application uses, and the daemon too."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from edge_infer.config import from_options
from edge_infer.deliver import collectors
from edge_infer.deliver.commands import Commands
from edge_infer.deliver.keeper import Keeper
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.outbox import Outbox
from edge_infer.deliver.records import age_s
from edge_infer.deliver.sender import DRAIN_S, Sender
from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.errors import EdgeInferError, UplinkError
from edge_infer.flow.heartbeat import Heartbeat
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Message
from edge_infer.types import Event, Result
from edge_infer.wire.events import event_to_wire
from edge_infer.wire.payloads import ClockState, Health, Info, Latest, OutboxHealth, StatusMessage
from edge_infer.wire.results import counts, to_wire
from edge_infer.wire.topics import HEALTH_STREAM, Kind, Topics, check_name, level_of

log = logging.getLogger(__name__)

LATEST_PERIOD_S = 1.0  # dashboards store each message: no more than they can show
HISTORY_S = 60.0  # between the health records that are kept like results
STRICT_S = 5.0  # a strict put waits for the disk, but at most so long
BUSY_BYTES = 8_000_000  # in RAM only: whoever makes more waits for the disk, rather than losing results
BUSY_S = 1.0  # ... but at most so long


class MqttPublisher:
    """Publishes results until they are safe: taken by the broker, or stored by a collector where there is one.

    What is not acknowledged yet is on the disk within a second (`outbox`), and goes out at the next start if it must;
    what has to be given up is reported as a gap. Each device needs an id of its own: it is the MQTT client id, and a
    broker throws out the older of two clients with one id.
    """

    def __init__(
        self,
        broker: str | Broker,
        *,
        device: str,
        state_dir: Path | None = None,
        outbox: OutboxSettings | None = None,
        commands: Commands | None = None,
        clock_state: Callable[[], ClockState] = lambda: "synced",
        **options: Any,
    ) -> None:
        """Prepare to publish; `start` or `with` begins.

        Args:
            broker: URL, with `options` for the other fields of `Broker` (username, password_file, ca_file, ...)
            device: the id of this device, one level of a topic
            state_dir: where results wait, and the epoch is kept; default: see `default_state_dir`
            outbox: how results are kept; default: on the disk within a second, at most 64 MB
            commands: what the cloud may ask for; default: `ping`
            clock_state: whether `Result.captured_at` can be believed, asked for each result
            options: see `broker`

        Raises:
            UsageError: the URL, an option or the device's id is none.
            UnavailableError: another process publishes as this device from this state folder.
        """
        if isinstance(broker, str):
            broker = from_options(Broker, {"url": broker, **options}, "the broker")
        self.broker = broker
        self.topics = Topics(check_name("device", device), self.broker.root)
        state_dir = state_dir or default_state_dir()
        self._keeper = Keeper(state_dir, device, outbox or OutboxSettings(), clock_state)
        self._strict = self.outbox.limits.durability == "strict"
        self._clock_state = clock_state
        self._started = time.monotonic()
        self._commands = commands or Commands(self.topics, {"ping": self.ping}, clock_state=clock_state)
        self._sender = Sender(
            self.broker,
            self.topics,
            self.outbox,
            will=self._status_message("lost"),
            by_collector=collectors.is_known(state_dir, self.broker),
            on_command=self._commands.answer,
            on_collector=lambda: collectors.remember(state_dir, self.broker),
        )
        self._commands.post = self._sender.post
        self._keeper.on_change = self._sender.wake
        self._thread = threading.Thread(target=self._run, name="deliver", daemon=True)
        self._status: tuple[str, Mapping[str, str]] | None = None
        self._latest_at: dict[str, float] = {}
        self._known: set[str] = set()  # pipelines whose name can be a part of a topic
        self._places: dict[str, dict[str, dict[str, int]]] = {}  # counts of zones and lines, by pipeline
        self._history_at = time.monotonic()
        self._error: Exception | None = None

    @property
    def outbox(self) -> Outbox:
        """What waits."""
        return self._keeper.outbox

    @property
    def error(self) -> Exception | None:
        """What ended one of the threads, if it was no stop."""
        return self._error or self._keeper.error

    @property
    def heartbeat(self) -> Heartbeat:
        """Of the thread that talks to the broker."""
        return self._sender.heartbeat

    def start(self) -> None:
        """Connect in the background and keep trying; results wait until then."""
        self._keeper.start()
        self.set_status("online")
        self._thread.start()

    def wait_connected(self, timeout: float) -> None:
        """Wait for the broker.

        Raises:
            UplinkError: not connected within `timeout` seconds; the message says why.
            EdgeInferError: delivery has ended, for example because the password file is missing.
        """
        deadline = time.monotonic() + timeout
        while not self._sender.connected:
            if self.error:
                raise self.error
            if time.monotonic() > deadline:
                raise self._sender.last_error or UplinkError(f"no connection to {self.broker.url} yet")
            time.sleep(0.01)

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        """Take over a result; returns its sequence number. `pipeline`: in the topic; default: after the source.

        Waits where `durability` is strict (until it is on the disk), and where results are made faster than the disk
        takes them; never for the broker.
        """
        if pipeline and pipeline not in self._known:
            self._known.add(check_name("pipeline", pipeline))
        name = pipeline or level_of(result.source)
        payload = msgspec.json.encode(to_wire(result))
        seq = self._put(Kind.RESULT, name, payload)
        now = time.monotonic()
        if now - self._latest_at.get(name, -LATEST_PERIOD_S) >= LATEST_PERIOD_S:
            self._latest_at[name] = now
            found = counts(result.prediction)
            places = self._places.get(name, {})
            latest = Latest(device=self.topics.device, counts=found, places=places, result=msgspec.Raw(payload))
            self._post(self.topics.latest(name), latest, qos=0)
        else:
            self._sender.nudge()
        return seq

    def publish_event(self, event: Event, pipeline: str) -> int:
        """Take over an event, which is on the disk at once and goes before results; returns its sequence number."""
        payload = msgspec.json.encode(event_to_wire(event))
        seq = self._put(Kind.EVENT, check_name("pipeline", pipeline), payload)
        if event.where:
            self._places.setdefault(pipeline, {})[event.where] = dict(event.counts)
        self._sender.wake()
        return seq

    def _put(self, kind: Kind, name: str, payload: bytes) -> int:
        seq = self.outbox.put(kind, name, payload, self._clock_state())
        if self._keeper.works and (self._strict or self.outbox.fresh_bytes > BUSY_BYTES):
            self.outbox.wait_committed(seq, STRICT_S if self._strict else BUSY_S)
        return seq

    def set_status(self, state: Literal["online", "degraded"], reasons: Mapping[str, str] | None = None) -> None:
        """Publish the state of the device, if it changed."""
        status = (state, dict(reasons or {}))
        if status != self._status:
            self._status = status
            self._sender.post(self._status_message(state, reasons))

    def set_info(self, info: Info) -> None:
        """Publish what the device is."""
        self._post(self.topics.info, info, qos=1)

    def set_health(self, health: Health, expiry_s: int) -> None:
        """Publish how the device is doing; brokers drop it after `expiry_s` seconds (MQTT 5). One a minute is kept."""
        self._post(self.topics.health, health, qos=0, expiry_s=expiry_s)
        if time.monotonic() - self._history_at >= HISTORY_S:
            self._history_at = time.monotonic()
            self._put(Kind.HEALTH, HEALTH_STREAM, msgspec.json.encode(health))
            self._sender.wake()

    def snapshot(self, jpeg: bytes, pipeline: str, event: str = "") -> None:
        """Publish a picture, of an event where its id is given; it is not kept where the broker is away."""
        if self._sender.connected:
            self._sender.post(Message(self.topics.snapshot(pipeline, event), jpeg, qos=0))

    def is_kept(self, seq: int) -> bool:
        """Whether this record would survive a power cut, or need not."""
        return not self.outbox.is_in_ram_only(seq)

    @property
    def reconnects(self) -> int:
        """How often the connection was made anew."""
        return max(0, self._sender.connections - 1)

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the broker now."""
        return self._sender.connected

    @property
    def last_error(self) -> str | None:
        """Why there is no connection, in a sentence; None where there is one, or none was tried yet."""
        return str(self._sender.last_error) if self._sender.last_error and not self._sender.connected else None

    @property
    def outbox_trouble(self) -> str | None:
        """Why nothing is kept on the disk now, in a sentence."""
        return self._keeper.trouble

    def health(self) -> OutboxHealth:
        """How many results wait, are on their way, arrived, or were given up."""
        outbox, found = self.outbox, self.outbox.counts
        oldest = outbox.oldest_record()
        return OutboxHealth(
            last_seq=found.put,
            recovered=found.recovered,
            waiting=found.waiting,
            in_flight=found.in_flight,
            acknowledged=found.acknowledged,
            evicted=found.evicted,
            refused=self._sender.refused,
            resent=found.resent,
            unheard=self._sender.unheard,
            ack="collector" if self._sender.dispatch.by_collector else "broker",
            held_bytes=outbox.held_bytes,
            stored=found.stored,
            oldest=outbox.oldest,
            oldest_s=age_s(oldest) if oldest else None,
            commits=self._keeper.commits,
            written_bytes=self._keeper.written_bytes,
            trouble=self._keeper.trouble,
        )

    def close(self, drain_s: float = DRAIN_S) -> int:
        """Deliver what waits for at most `drain_s` seconds, say `offline`, and end; returns what did not arrive.

        That lies on the disk, and is delivered after the next start.
        """
        if self._thread.is_alive():
            self._sender.stop(self._farewell, drain_s)
            self._thread.join(drain_s + 1.0)
        safe = self._keeper.close()
        found = self.outbox.counts
        left = found.waiting + found.in_flight
        if left and safe:
            log.info("results wait on the disk for the next start", extra={"results": left})
        elif left:
            log.error("results were not delivered and are lost with this process", extra={"results": left})
        if not self._thread.is_alive():
            self._sender.close()
        return left

    def _farewell(self) -> Message:
        return self._status_message("offline", last_seq=self.outbox.counts.put, oldest=self.outbox.oldest)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._sender.run()
        except EdgeInferError as error:
            self._error = error
            log.error("delivery ended: %s", error)  # noqa: TRY400 - its sentence says it all
        except Exception as error:
            self._error = error
            log.exception("delivery ended")

    def _post(self, topic: str, payload: msgspec.Struct, *, qos: int, expiry_s: int | None = None) -> None:
        self._sender.post(Message(topic, msgspec.json.encode(payload), qos, retain=True, expiry_s=expiry_s))

    def _status_message(
        self,
        state: Literal["online", "degraded", "offline", "lost"],
        reasons: Mapping[str, str] | None = None,
        last_seq: int | None = None,
        oldest: tuple[int, int] | None = None,
    ) -> Message:
        status = StatusMessage(
            device=self.topics.device,
            state=state,
            time=time.time(),
            epoch=self.outbox.epoch,
            boot=self.outbox.boot,
            last_seq=last_seq,
            oldest=oldest,
            reasons=dict(reasons) if reasons else None,
        )
        return Message(self.topics.status, msgspec.json.encode(status), retain=True)

    def ping(self, _arguments: Mapping[str, object]) -> dict[str, float]:
        """What `ping` answers."""
        return {"time": time.time(), "epoch": self.outbox.epoch, "uptime_s": time.monotonic() - self._started}
