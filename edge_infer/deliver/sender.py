"""The `deliver` thread: a sliding window of batches from the outbox to the broker, and the state of the device."""

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from edge_infer.deliver.broker import Broker
from edge_infer.deliver.link import Link, Message, connect
from edge_infer.deliver.outbox import Batch, Outbox
from edge_infer.errors import UplinkError
from edge_infer.flow.backoff import Backoff
from edge_infer.wire.payloads import ClockState, Envelope, Gaps
from edge_infer.wire.topics import Topics

log = logging.getLogger(__name__)

DRAIN_S = 5.0  # how long a stop waits for acknowledgements
REFUSED_PAUSE_S = 10.0  # before a message that the broker refused (an ACL) is tried again
MAX_UNSENT = 1000  # state and responses; older ones are left out where the broker is away that long
STABLE_S = 10.0  # a connection that held so long was good; a broker that hangs up at once is asked ever more rarely
IDLE_S = 1.0  # longest wait of the loop: paho's keepalive needs a turn


@dataclass(frozen=True, slots=True)
class _Sent:
    """What to do when the broker has answered; without `undone` a message that was refused is given up."""

    topic: str
    done: Callable[[], None]
    undone: Callable[[], None] | None


class Sender:
    """Publishes what the outbox holds, each batch until it is acknowledged, reconnecting for ever.

    `post` and `stop` may be called from any thread; all else happens in the thread of `run`.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        outbox: Outbox,
        *,
        will: Message,
        on_command: Callable[[Message], Message | None] | None = None,
        clock_state: Callable[[], ClockState],
    ) -> None:
        self.connected = False
        self.connections = 0
        self.refused = 0
        self.last_error: UplinkError | None = None
        self._broker = broker
        self._topics = topics
        self._outbox = outbox
        self._will = will
        self._on_command = on_command
        self._clock_state = clock_state
        self._backoff = Backoff(base=0.5, cap=30.0)
        self._state: dict[str, Message] = {}  # newest retained message of each topic
        self._unsent: deque[Message] = deque(maxlen=MAX_UNSENT)
        self._lock = threading.Lock()
        self._in_flight: dict[int, _Sent] = {}
        self._paused_until = 0.0
        self._stopping = threading.Event()
        self._deadline: float | None = None  # monotonic seconds: when to stop at the latest
        self._farewell: Message | None = None
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    def post(self, message: Message) -> None:
        """Publish now, before all results; what is retained again after each reconnect, newest of its topic."""
        with self._lock:
            if message.retain:
                self._state[message.topic] = message
            self._unsent.append(message)
        self.wake()

    def wake(self) -> None:
        """There is something to send."""
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody is there to wake
            self._wake_write.send(b"\0")

    def stop(self, farewell: Message, drain_s: float = DRAIN_S) -> None:
        """Send what waits for at most `drain_s` seconds, say `farewell`, and end; does not wait."""
        self._farewell = farewell
        self._deadline = time.monotonic() + drain_s
        self._stopping.set()
        self.wake()

    def run(self) -> None:
        """Deliver until stopped."""
        while self._deadline is None or time.monotonic() < self._deadline:
            try:
                self._session()
            except UplinkError as error:
                self._lost(error)
            else:
                return

    def close(self) -> None:
        """Free what wakes `run`; not while it runs."""
        self._wake_read.close()
        self._wake_write.close()

    def _session(self) -> None:
        link = connect(
            self._broker,
            self._topics.device,
            will=self._will,
            subscribe=(self._topics.all_commands,),
            on_message=self._received,
        )
        self.connections += 1
        self.connected = True
        self.last_error = None
        connected_at = time.monotonic()
        with self._lock:
            others = [message for message in self._unsent if not message.retain]
            self._unsent = deque([*self._state.values(), *others], maxlen=MAX_UNSENT)
        log.info("connected to the broker", extra={"broker": self._broker.url, "mqtt": int(link.version)})
        try:
            self._serve(link)
            link.close()
        finally:
            self.connected = False
            link.abandon()
            self._read_answers(link)
            self._give_back()
            if time.monotonic() - connected_at > STABLE_S:
                self._backoff.reset()

    def _serve(self, link: Link) -> None:
        while True:
            self._read_answers(link)
            self._send_state(link)
            self._send_gaps(link)
            self._send_batches(link)
            if self._deadline is not None and (self._drained() or time.monotonic() >= self._deadline):
                break
            left = IDLE_S if self._deadline is None else self._deadline - time.monotonic()
            link.wait(min(IDLE_S, max(0.0, left)), self._wake_read)
            with contextlib.suppress(BlockingIOError):
                self._wake_read.recv(65536)
        self._say_farewell(link)

    def _say_farewell(self, link: Link) -> None:
        if self._farewell is None:
            return
        answered: list[None] = []
        self._track(link, self._farewell, done=lambda: answered.append(None))
        deadline = time.monotonic() + 1.0
        while not answered and time.monotonic() < deadline:
            link.wait(0.1)
            self._read_answers(link)

    def _drained(self) -> bool:
        counts = self._outbox.counts
        return not (counts.waiting or counts.in_flight or self._unsent or self._in_flight)

    def _send_batches(self, link: Link) -> None:
        while len(self._in_flight) < link.window and time.monotonic() >= self._paused_until:
            batch = self._outbox.take()
            if batch is None:
                return
            self._track(
                link,
                Message(self._topics.results(batch.pipeline), self._encode(batch)),
                partial(self._outbox.acknowledge, batch),
                partial(self._outbox.release, batch),
            )

    def _send_gaps(self, link: Link) -> None:
        if len(self._in_flight) >= link.window or time.monotonic() < self._paused_until:
            return
        gaps = self._outbox.take_gaps()
        if gaps:
            payload = Gaps(device=self._topics.device, boot=self._outbox.boot, gaps=gaps)
            message = Message(self._topics.gaps, msgspec.json.encode(payload))
            self._track(link, message, undone=partial(self._outbox.restore_gaps, gaps))

    def _send_state(self, link: Link) -> None:
        while self._unsent and len(self._in_flight) < link.window:
            self._track(link, self._unsent.popleft())

    def _track(
        self,
        link: Link,
        message: Message,
        done: Callable[[], None] = lambda: None,
        undone: Callable[[], None] | None = None,
    ) -> None:
        try:
            mid = link.publish(message)
        except UplinkError:
            if undone:
                undone()
            raise
        if message.qos:
            self._in_flight[mid] = _Sent(message.topic, done, undone)

    def _encode(self, batch: Batch) -> bytes:
        return msgspec.json.encode(
            Envelope(
                device=self._topics.device,
                epoch=self._outbox.epoch,
                boot=self._outbox.boot,
                first_seq=batch.first_seq,
                clock=self._clock_state(),
                results=[msgspec.Raw(record.payload) for record in batch.records],
            )
        )

    def _read_answers(self, link: Link) -> None:
        while link.acknowledged:
            mid, refusal = link.acknowledged.popleft()
            sent = self._in_flight.pop(mid, None)
            if sent is None:
                continue
            if refusal is None:
                sent.done()
                continue
            self.refused += 1
            facts = {"topic": sent.topic, "reason": refusal}
            if sent.undone is None:
                log.error("the broker refuses a message", extra=facts)
                with self._lock:
                    self._state.pop(sent.topic, None)  # mosquitto 2.0 hangs up after a refusal: do not provoke it again
                continue
            log.error("the broker refuses a message, trying again later", extra=facts)
            self._paused_until = time.monotonic() + REFUSED_PAUSE_S
            sent.undone()

    def _give_back(self) -> None:
        for sent in self._in_flight.values():
            if sent.undone:
                sent.undone()
        self._in_flight.clear()

    def _lost(self, error: UplinkError) -> None:
        delay = self._backoff.next_delay()
        if str(error) != str(self.last_error):
            log.warning(f"{error}, trying again", extra={"retry_s": round(delay, 1)})
        self.last_error = error
        if self._stopping.is_set():  # the last seconds: keep trying
            time.sleep(min(0.2, delay))
        else:
            self._stopping.wait(delay)

    def _received(self, message: Message) -> None:
        if message.retain or self._on_command is None:  # a retained command would be obeyed at each start
            return
        response = self._on_command(message)
        if response is not None:
            self.post(response)
