"""Results and state of one device, published to a broker: what an application uses, and the daemon too."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from edge_infer.config import from_options
from edge_infer.deliver.broker import Broker
from edge_infer.deliver.epoch import next_epoch
from edge_infer.deliver.link import Message
from edge_infer.deliver.outbox import MemoryOutbox, Outbox
from edge_infer.deliver.sender import DRAIN_S, Sender
from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.errors import EdgeInferError, UplinkError
from edge_infer.types import Result
from edge_infer.wire.payloads import (
    ClockState,
    Command,
    Health,
    Info,
    Latest,
    OutboxHealth,
    Response,
    StatusMessage,
)
from edge_infer.wire.results import counts, to_wire
from edge_infer.wire.topics import Topics, check_name, level_of

log = logging.getLogger(__name__)

LATEST_PERIOD_S = 1.0  # dashboards store each message: no more than they can show


class MqttPublisher:
    """Publishes results with QoS 1 until the broker has acknowledged them; never blocks the caller.

    Each device needs an id of its own: it is the MQTT client id, and a broker throws out the older of two clients
    with one id. What waits lies in RAM (16 MB; the oldest is evicted beyond, and reported as a gap).
    """

    def __init__(
        self,
        broker: str | Broker,
        *,
        device: str,
        state_dir: Path | None = None,
        outbox: Outbox | None = None,
        clock_state: Callable[[], ClockState] = lambda: "synced",
        **options: Any,
    ) -> None:
        """Prepare to publish; `start` or `with` begins.

        Args:
            broker: URL, with `options` for the other fields of `Broker` (username, password_file, ca_file, ...)
            device: the id of this device, one level of a topic
            state_dir: where the epoch is kept; default: see `default_state_dir`
            outbox: where results wait; default: RAM
            clock_state: whether `Result.captured_at` can be believed, asked for each message
            options: see `broker`

        Raises:
            UsageError: the URL, an option or the device's id is none.
        """
        if isinstance(broker, str):
            broker = from_options(Broker, {"url": broker, **options}, "the broker")
        self.broker = broker
        self.topics = Topics(check_name("device", device), self.broker.root)
        self.outbox = outbox or MemoryOutbox(next_epoch(state_dir or default_state_dir()), secrets.token_hex(8))
        self._sender = Sender(
            self.broker,
            self.topics,
            self.outbox,
            will=self._status_message("lost"),
            on_command=self._obey,
            clock_state=clock_state,
        )
        self._thread = threading.Thread(target=self._run, name="deliver", daemon=True)
        self._status: tuple[str, Mapping[str, str]] | None = None
        self._latest_at: dict[str, float] = {}
        self.error: Exception | None = None  # what ended the thread, if it was no stop

    def start(self) -> None:
        """Connect in the background and keep trying; results wait until then."""
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
        """Take over a result; returns its sequence number. `pipeline`: in the topic; default: after the source."""
        name = check_name("pipeline", pipeline) if pipeline else level_of(result.source)
        payload = msgspec.json.encode(to_wire(result))
        seq = self.outbox.put(name, payload)
        now = time.monotonic()
        if now - self._latest_at.get(name, -LATEST_PERIOD_S) >= LATEST_PERIOD_S:
            self._latest_at[name] = now
            found = counts(result.prediction)
            latest = Latest(device=self.topics.device, counts=found, result=msgspec.Raw(payload))
            self._post(self.topics.latest(name), latest, qos=0)
        else:
            self._sender.wake()
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
        """Publish how the device is doing; brokers drop it after `expiry_s` seconds (MQTT 5)."""
        self._post(self.topics.health, health, qos=0, expiry_s=expiry_s)

    def snapshot(self, jpeg: bytes, pipeline: str) -> None:
        """Publish a picture; it is not kept where the broker is away."""
        if self._sender.connected:
            self._sender.post(Message(self.topics.snapshot(pipeline), jpeg, qos=0))

    @property
    def reconnects(self) -> int:
        """How often the connection was made anew."""
        return max(0, self._sender.connections - 1)

    def health(self) -> OutboxHealth:
        """How many results wait, are on their way, arrived, or were given up."""
        found = self.outbox.counts
        return OutboxHealth(
            last_seq=found.put,
            waiting=found.waiting,
            waiting_bytes=found.waiting_bytes,
            in_flight=found.in_flight,
            acknowledged=found.acknowledged,
            evicted=found.evicted,
            refused=self._sender.refused,
        )

    def close(self, drain_s: float = DRAIN_S) -> int:
        """Deliver what waits for at most `drain_s` seconds, say `offline`, and end; returns what did not arrive."""
        if self._thread.is_alive():
            self._sender.stop(self._status_message("offline", last_seq=self.outbox.counts.put), drain_s)
            self._thread.join(drain_s + 1.0)
        found = self.outbox.counts
        left = found.waiting + found.in_flight
        if left:
            log.error("results were not delivered and are lost with this process", extra={"results": left})
        if not self._thread.is_alive():
            self._sender.close()
        return left

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._sender.run()
        except EdgeInferError as error:
            self.error = error
            log.error("delivery ended: %s", error)  # noqa: TRY400 - its sentence says it all
        except Exception as error:
            self.error = error
            log.exception("delivery ended")

    def _post(self, topic: str, payload: msgspec.Struct, *, qos: int, expiry_s: int | None = None) -> None:
        self._sender.post(Message(topic, msgspec.json.encode(payload), qos, retain=True, expiry_s=expiry_s))

    def _status_message(
        self,
        state: Literal["online", "degraded", "offline", "lost"],
        reasons: Mapping[str, str] | None = None,
        last_seq: int | None = None,
    ) -> Message:
        status = StatusMessage(
            device=self.topics.device,
            state=state,
            time=time.time(),
            epoch=self.outbox.epoch,
            boot=self.outbox.boot,
            last_seq=last_seq,
            reasons=dict(reasons) if reasons else None,
        )
        return Message(self.topics.status, msgspec.json.encode(status), retain=True)

    def _obey(self, message: Message) -> Message:
        """Answer a command; `ping` is the only one so far."""
        name = message.topic.rsplit("/", 1)[-1]
        topic = message.response_topic or self.topics.response(name)
        try:
            command = msgspec.json.decode(message.payload or b"{}", type=Command)
        except (msgspec.DecodeError, RecursionError) as error:
            response = Response(id=None, ok=False, error=f"the command is not understood: {error}")
        else:
            topic = message.response_topic or command.reply_to or topic
            response = self._answer(name, command)
        return Message(topic, msgspec.json.encode(response), correlation=message.correlation)

    def _answer(self, name: str, command: Command) -> Response:
        if name == "ping":
            return Response(id=command.id, ok=True, data={"time": time.time(), "epoch": self.outbox.epoch})
        return Response(id=command.id, ok=False, error=f"there is no command '{name}'; there is: ping")
