"""The `deliver` thread: what the outbox holds and the state of the device, to the broker and acknowledged."""

import contextlib
import logging
import math
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

import msgspec

from edge_infer.deliver.accounts import TOO_LARGE
from edge_infer.deliver.dispatch import Dispatch
from edge_infer.deliver.envelope import envelope
from edge_infer.deliver.in_flight import InFlight, Sent
from edge_infer.deliver.linger import Linger
from edge_infer.deliver.outbox import Outbox
from edge_infer.deliver.posts import Posts
from edge_infer.deliver.records import Batch
from edge_infer.errors import UplinkError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.heartbeat import Heartbeat
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Link, Message, TakenOverError, connect
from edge_infer.wire.payloads import Ack, Gaps
from edge_infer.wire.topics import Topics

log = logging.getLogger(__name__)

DRAIN_S = 5.0  # how long a stop waits for acknowledgements
SILENT_S = 1.5  # ... while some still come; what is on the disk can wait for the next start
REFUSED_PAUSE_S = 10.0  # before a message that the broker refused (an ACL) is tried again
SHORT_SESSIONS = 3  # in a row: somebody hangs up on us, and not the network
TAKEN_OVER_S = 30.0  # before we throw out the other client of our id in turn
STABLE_S = 10.0  # a connection that held so long was good; a broker that hangs up at once is asked ever more rarely
TURN_S = 60.0  # one turn of the loop never blocks; what it waits for is the connection, for IDLE_S
CONNECT_S = 300.0  # name servers that do not answer hold it up for 30 s each time that a name is tried: resolv.conf(5)
IDLE_S = 1.0  # longest wait of the loop: paho's keepalive needs a turn
HEADER_BYTES = 64  # of a PUBLISH beside topic and payload: fixed header, properties


class Sender:
    """Publishes what the outbox holds until it is acknowledged, reconnecting for ever.

    `post` and `stop` may be called from any thread; all else happens in the thread of `run`.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        outbox: Outbox,
        *,
        will: Message,
        by_collector: bool = False,
        on_command: Callable[[Message], Message | None] | None = None,
        on_collector: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            broker: where to
            topics: of this device
            outbox: what is sent
            will: spoken by the broker when we are lost
            by_collector: a collector was heard at this broker before
            on_command: answers commands
            on_collector: called when a collector is heard for the first time
        """
        self.connected = False
        self.connections = 0
        self.refused = 0
        self.unheard = 0
        self.last_error: UplinkError | None = None
        self.heartbeat = Heartbeat()
        self.dispatch = Dispatch(
            outbox,
            by_collector=broker.ack == "collector" or (broker.ack == "auto" and by_collector),
            resend_s=broker.resend_s,
            backlog_per_s=broker.backlog_per_s,
        )
        self._broker = broker
        self._topics = topics
        self._outbox = outbox
        self._will = will
        self._on_command = on_command
        self._on_collector = on_collector
        self._backoff = Backoff(base=0.5, cap=30.0)
        self._posts = Posts()
        self._linger = Linger(broker.linger_s)
        self._paused_until = 0.0
        self._short_sessions = 0
        self._stopping = threading.Event()
        self._stop_at = 0.0  # monotonic
        self._deadline: float | None = None  # monotonic seconds: when to stop at the latest
        self._farewell: Callable[[], Message] | None = None
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    def post(self, message: Message) -> None:
        """Publish now, before all results; what is retained again after each reconnect, newest of its topic."""
        self._posts.add(message)
        self.wake()

    def wake(self) -> None:
        """There is something to send now."""
        self._linger.hurry()
        self._wake()

    def nudge(self) -> None:
        """There is something to send, with what else comes soon (`Broker.linger_s`)."""
        if self._linger.must_wake():
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody is there to wake
            self._wake_write.send(b"\0")

    def stop(self, farewell: Callable[[], Message], drain_s: float = DRAIN_S) -> None:
        """Send what waits for at most `drain_s` seconds, then what `farewell` gives, and end; does not wait."""
        self._farewell = farewell
        self._stop_at = time.monotonic()
        self._deadline = self._stop_at + drain_s
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
        with self.heartbeat.working("connecting", CONNECT_S):
            link = connect(
                self._broker,
                self._topics.device,
                will=self._will,
                subscribe=(self._topics.all_commands, self._topics.ack),
                on_message=self._received,
            )
        self.connections += 1
        self.connected = True
        self.last_error = None
        connected_at = time.monotonic()
        self._posts.again()
        log.info("connected to the broker", extra={"broker": self._broker.url, "mqtt": int(link.version)})
        in_flight = InFlight(link)
        self._outbox.online(True)
        try:
            self._serve(link, in_flight)
            link.close()
        finally:
            self.connected = False
            self._outbox.online(False)
            link.abandon()
            self._read_answers(link, in_flight)
            in_flight.give_back()
            self.dispatch.release_all(attempt=1)
            self._short_sessions += 1
            if time.monotonic() - connected_at > STABLE_S:
                self._short_sessions = 0
                self._backoff.reset()

    def _serve(self, link: Link, in_flight: InFlight) -> None:
        while True:
            with self.heartbeat.working("sending", TURN_S):
                self._read_answers(link, in_flight)
                self.dispatch.release_overdue()
                self._send_posts(in_flight)
                self._send_gaps(in_flight)
                self._send_batches(link, in_flight)
                if self._deadline is not None and (self._drained(in_flight) or time.monotonic() >= self._deadline):
                    break
                link.wait(self._wait_s(), self._wake_read)
                with contextlib.suppress(BlockingIOError):
                    self._wake_read.recv(65536)
        self._say_farewell(link, in_flight)

    def _wait_s(self) -> float:
        waits = [IDLE_S, self.dispatch.wait_s(), self._linger.left_s(IDLE_S)]
        if self._deadline is not None:
            waits += [0.1, self._deadline - time.monotonic()]
        return max(0.0, min(waits))

    def _say_farewell(self, link: Link, in_flight: InFlight) -> None:
        if self._farewell is None:
            return
        answered: list[None] = []
        in_flight.send(self._farewell(), done=lambda: answered.append(None))
        deadline = time.monotonic() + 1.0
        while not answered and time.monotonic() < deadline:
            link.wait(0.1)
            self._read_answers(link, in_flight)

    def _drained(self, in_flight: InFlight) -> bool:
        counts = self._outbox.counts
        if self._posts or in_flight:
            return False
        if not (counts.waiting or counts.in_flight or self._outbox.has_gaps()):
            return True
        quiet_s = time.monotonic() - max(self._stop_at, self.dispatch.heard_at)
        return self._outbox.durable and self._outbox.trouble is None and quiet_s > SILENT_S

    def _send_posts(self, in_flight: InFlight) -> None:
        while not in_flight.full and (message := self._posts.pop()):
            in_flight.send(message)

    def _send_gaps(self, in_flight: InFlight) -> None:
        if in_flight.full or time.monotonic() < self._paused_until:
            return
        gaps = self._outbox.take_gaps()
        if gaps:
            payload = Gaps(device=self._topics.device, boot=self._outbox.boot, gaps=gaps)
            in_flight.send(
                Message(self._topics.gaps, msgspec.json.encode(payload)),
                partial(self.dispatch.gaps_accepted, gaps),
                partial(self._outbox.release_gaps, gaps),
            )

    def _send_batches(self, link: Link, in_flight: InFlight) -> None:
        if self._deadline is None and not self._linger.is_over():
            return
        sent = False
        while not in_flight.full and time.monotonic() >= self._paused_until:
            batch = self.dispatch.next()
            if batch is None:
                if sent:
                    self._linger.begin()
                return
            self._send_batch(link, in_flight, batch)
            sent = True

    def _send_batch(self, link: Link, in_flight: InFlight, batch: Batch) -> None:
        topic = self._topics.envelopes(batch.kind, batch.pipeline)
        payload = envelope(self._topics.device, batch, deflated=self._broker.deflate)
        if link.max_bytes is not None and len(payload) + len(topic) + HEADER_BYTES > link.max_bytes:
            self._send_less(link, in_flight, batch)
            return
        expiry_s = math.ceil(self.dispatch.resend_delay(batch.attempt)) if self.dispatch.by_collector else None
        in_flight.send(
            Message(topic, payload, expiry_s=expiry_s),
            partial(self.dispatch.accepted, batch),
            partial(self.dispatch.release, batch),
        )

    def _send_less(self, link: Link, in_flight: InFlight, batch: Batch) -> None:
        """It is more than the broker takes: send halves; a single record can never get through."""
        if len(batch.records) == 1:
            self.dispatch.give_up(batch, TOO_LARGE)
            log.error("the broker takes no message of this size, a result is given up", extra={"bytes": link.max_bytes})
            return
        for half in self.dispatch.halves(batch):
            self._send_batch(link, in_flight, half)

    def _read_answers(self, link: Link, in_flight: InFlight) -> None:
        self.unheard += link.unheard
        link.unheard = 0
        in_flight.answers(self._refused)

    def _refused(self, sent: Sent, reason: str) -> None:
        self.refused += 1
        facts = {"topic": sent.topic, "reason": reason}
        if sent.undone is None:
            log.error("the broker refuses a message", extra=facts)
            self._posts.forget(sent.topic)  # mosquitto 2.0 hangs up after a refusal: do not provoke it again
            return
        log.error("the broker refuses a message, trying again later", extra=facts)
        self._paused_until = time.monotonic() + REFUSED_PAUSE_S
        sent.undone()

    def _lost(self, error: UplinkError) -> None:
        delay = self._backoff.next_delay()
        if isinstance(error, TakenOverError):
            delay += TAKEN_OVER_S
        elif self._short_sessions == SHORT_SESSIONS:  # mosquitto 2.0 does not say which of the two it is
            log.error(
                "the broker hangs up soon after each connection: another client has our id '%s', or an ACL denies us",
                self._topics.device,
            )
        if str(error) != str(self.last_error):
            log.warning(f"{error}, trying again", extra={"retry_s": round(delay, 1)})
        self.last_error = error
        if self._stopping.is_set():  # the last seconds: keep trying
            time.sleep(min(0.2, delay))
        else:
            self._stopping.wait(delay)

    def _received(self, message: Message) -> None:
        if message.retain:  # a retained command would be obeyed at each start
            return
        if message.topic == self._topics.ack:
            self._acknowledged(message.payload)
            return
        response = self._on_command(message) if self._on_command else None
        if response is not None:
            self.post(response)

    def _acknowledged(self, payload: bytes) -> None:
        try:
            ack = msgspec.json.decode(payload, type=Ack)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("an acknowledgement cannot be read: %s", error)
            return
        if self._broker.ack == "broker":
            return
        news = not self.dispatch.by_collector
        if not self.dispatch.acknowledged(ack):
            log.error(
                "a collector acknowledges results of another device with our id: give each its own (device.id)",
                extra={"boot": ack.boot},
            )
        elif news:
            log.info("a collector is there: from now on a result is kept until it is in the database")
            self._on_collector()
