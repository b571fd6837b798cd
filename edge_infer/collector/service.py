"""The collector: one thread drives the connection to the broker, one owns the database."""

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec

from edge_infer.collector.arrivals import Database
from edge_infer.collector.ingest import Answer, Ingest
from edge_infer.collector.intake import Intake, Received
from edge_infer.errors import UnavailableError, UplinkError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.worker import Worker
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Link, Message, OldBrokerError, Session, connect
from edge_infer.wire.payloads import CollectorStatus
from edge_infer.wire.topics import collector_status

log = logging.getLogger(__name__)

SESSION = Session(keep_s=3600, receive_maximum=1000, manual_ack=True)  # two batches: one is stored while one comes
DRAIN_S = 5.0  # how long a stop waits for the database
GOODBYE_S = 1.0  # how long it waits for the broker's answer to the last word
SUBSCRIBE_S = 5.0
START_S = 60.0  # the database's first answer, and its migrations
STABLE_S = 10.0  # a connection that held so long was good
IDLE_S = 1.0  # longest wait of the loop: paho's keepalive needs a turn
REFUSED_PAUSE_S = 30.0  # before a topic is written again that the broker refused: mosquitto 2.0 hangs up each time
TURN_S = 0.05  # of waiting for the broker, and for the database at the end
MANY_SHORT = 3  # connections one after the other that did not hold


class Collector:
    """Stores what devices publish, and tells them; for ever, until `stop`."""

    def __init__(
        self,
        broker: Broker,
        open_database: Callable[[], Database],
        *,
        group: str,
        client_id: str,
        retention_s: float | None = None,
    ) -> None:
        self.collecting = threading.Event()  # subscribed, and the database is open
        self._broker = broker
        self._group = group
        self._client_id = client_id
        self._presence = collector_status(group, broker.root)
        self._intake = Intake()
        self._answers: deque[Answer] = deque()
        self._ingest = Ingest(broker.root, self._intake, open_database, self._answer, retention_s)
        self._worker = Worker("database", self._ingest.run, Backoff(base=0.2, cap=5.0))
        self._backoff = Backoff(base=0.2, cap=5.0)
        self._last_error: UnavailableError | None = None
        self._connection = 0
        self._in_flight: dict[int, str] = {}  # topic of each message that the broker has not answered
        self._refused: dict[str, float] = {}  # topic: monotonic seconds until when it is left alone
        self._short = 0  # connections without a stable one between
        self._announce = True  # our presence has to be said
        self._echoed = False  # and came back: we may read
        self._stopping = threading.Event()
        self._deadline = float("inf")  # monotonic seconds
        self._heard_at = 0.0  # monotonic seconds
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    def stop(self) -> None:
        """Take in nothing more, store and acknowledge what is in hand, and end; a signal handler may call it."""
        self._stopping.set()
        self._wake()

    def run(self) -> None:
        """Collect until stopped.

        Raises:
            UnavailableError: the broker or the database cannot be used at the start; later both are waited for.
            EdgeInferError: a fault of the database's thread.
        """
        self._worker.start()
        try:
            self._await_database()
            while not self._ended(offline=True):
                try:
                    self._session()
                except UnavailableError as error:
                    if not (self.collecting.is_set() or self._stopping.is_set()):
                        raise
                    self._lost(error)
                else:
                    break
            if self._worker.error:
                raise self._worker.error
        finally:
            self._end()

    def _await_database(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._ingest.opened.wait(0.01):
            error = self._worker.error or self._worker.last_retry
            if error:
                raise error
            if time.monotonic() > deadline:
                raise UnavailableError("the database did not answer")
            if self._stopping.is_set():
                return

    def _session(self) -> None:
        self._connection += 1
        self._in_flight.clear()
        link = self._connect()
        connected_at = time.monotonic()
        try:
            self._await_subscriptions(link)
            log.info("collecting", extra={"broker": self._broker.url, "group": self._group, "id": self._client_id})
            self._last_error = None
            self._announce, self._echoed = True, False
            self.collecting.set()
            self._serve(link)
            link.close()
        finally:
            link.abandon()
            self._short = self._short + 1 if time.monotonic() - connected_at < STABLE_S else 0
            if not self._short:
                self._backoff.reset()

    def _connect(self) -> Link:
        root = self._broker.root
        shared = ("results/#", "events/#", "gaps", "health")
        try:
            link = connect(
                self._broker,
                self._client_id,
                will=self._status("lost"),
                subscribe=(
                    *(f"$share/{self._group}/{root}/+/{what}" for what in shared),
                    f"{root}/+/status",  # retained: not delivered to shared subscriptions
                    self._presence,
                ),
                on_message=partial(self._received, self._connection),
                session=SESSION,
            )
        except OldBrokerError as error:
            raise UplinkError(f"{error}; a collector needs MQTT 5, which old brokers do not speak") from error
        if not link.shares:
            link.close()
            raise UplinkError(
                f"the broker {self._broker.url} has no shared subscriptions, which a collector needs: use another, for "
                "example mosquitto"
            )
        return link

    def _await_subscriptions(self, link: Link) -> None:
        self._heard_at = time.monotonic()
        while not link.subscribed:
            if time.monotonic() > self._heard_at + SUBSCRIBE_S:  # first it may send all that has waited for us
                raise UplinkError(f"the broker {self._broker.url} does not confirm the subscriptions")
            link.wait(TURN_S)
        if link.refused:
            topic, reason = link.refused[0]
            who = f"the user {self._broker.username}" if self._broker.username else "this client"
            link.close()
            raise UplinkError(
                f"the broker {self._broker.url} refuses the subscription to {topic} ({reason}): allow {who} to read it"
            )

    def _serve(self, link: Link) -> None:
        connected_at = time.monotonic()
        while True:
            self._read_answers(link)
            self._send(link)
            if self._ended():
                break
            if self._intake.full:  # so the broker has to wait; where that takes long, it hangs up
                log.warning("more has come than can be held, waiting for the database")
                time.sleep(TURN_S)
                continue
            if not (self._echoed or self._presence in self._refused) and time.monotonic() > connected_at + SUBSCRIBE_S:
                self._echoed = True  # told once
                log.error(
                    "the broker took our subscriptions but does not deliver: allow this client to read them",
                    extra={"topic": self._presence, "id": self._client_id, "user": self._broker.username},
                )
            link.wait(TURN_S if self._stopping.is_set() else IDLE_S, self._wake_read)
            with contextlib.suppress(BlockingIOError):
                self._wake_read.recv(65536)
        self._say_goodbye(link)

    def _ended(self, *, offline: bool = False) -> bool:
        """Whether nothing is left to do, or to be hoped for. The broker is told again by the next connection."""
        if self._deadline == float("inf") and (self._stopping.is_set() or not self._worker.alive):
            self._deadline = time.monotonic() + DRAIN_S
            self._intake.close()
        unsaid = any(answer.acks for answer in tuple(self._answers)) if offline else self._answers
        return time.monotonic() > self._deadline or not (self._worker.alive or unsaid)

    def _send(self, link: Link) -> None:
        """Say what the database's thread has to say, as far as the broker's window allows, and that we are here."""
        if self._announce and not self._stopping.is_set():
            self._announce = False
            self._publish(link, self._status("online"))
        while self._answers:
            answer = self._answers[0]
            while answer.acks:
                if len(self._in_flight) >= link.window:
                    return
                self._publish(link, answer.acks[0])
                answer.acks.popleft()
            if self._in_flight:
                return  # mosquitto 2.0 hangs up after it has refused a message: who goes on writing never reads why
            for received in answer.received:
                if received.connection == self._connection:
                    link.acknowledge(received.message)
            self._answers.popleft()

    def _publish(self, link: Link, message: Message) -> None:
        if self._refused.get(message.topic, 0.0) < time.monotonic():
            self._in_flight[link.publish(message)] = message.topic

    def _read_answers(self, link: Link) -> None:
        while link.acknowledged:
            mid, refusal = link.acknowledged.popleft()
            topic = self._in_flight.pop(mid, None)
            if topic is None or refusal is None:
                continue
            self._refused[topic] = time.monotonic() + REFUSED_PAUSE_S
            self._short = 0
            log.error(
                "the broker refuses what we publish: allow the collector to write it, "
                "devices send again and again what is not acknowledged",
                extra={"topic": topic, "reason": refusal},
            )

    def _say_goodbye(self, link: Link) -> None:
        self._publish(link, self._status("offline"))
        deadline = time.monotonic() + GOODBYE_S
        while self._in_flight and time.monotonic() < deadline:
            link.wait(0.1)
            self._read_answers(link)

    def _lost(self, error: UnavailableError) -> None:
        delay = self._backoff.next_delay()
        if str(error) != str(self._last_error):
            # a broker throws out the older of two clients with one id; mosquitto 2.0 does not say so
            advice = f"; has another collector the id {self._client_id}?" if self._short >= MANY_SHORT else ""
            log.warning(f"{error}{advice}, trying again", extra={"retry_s": round(delay, 1)})
        self._last_error = error
        until = time.monotonic() + delay
        while (time.monotonic() < until or self._intake.full) and not self._ended(offline=True):
            time.sleep(TURN_S)

    def _end(self) -> None:
        self._intake.close()
        self._worker.stop()
        self._worker.join(max(0.0, min(DRAIN_S, self._deadline - time.monotonic())))
        if self._ingest.in_hand:
            log.warning("not all was stored, the broker sends it again", extra={"messages": self._ingest.in_hand})
        self._wake_read.close()
        self._wake_write.close()

    def _received(self, connection: int, message: Message) -> None:
        if message.topic == self._presence:
            self._echoed = True
            self._announce = self._announce or self._is_others_end(message.payload)
        self._heard_at = time.monotonic()
        self._intake.put(Received(connection, message))

    def _is_others_end(self, payload: bytes) -> bool:
        """Another collector of the group says goodbye: the retained message should say that we are still here."""
        try:
            said = msgspec.json.decode(payload, type=CollectorStatus)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return said.state != "online" and said.collector != self._client_id

    def _answer(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody is there to wake
            self._wake_write.send(b"\0")

    def _status(self, state: Literal["online", "offline", "lost"]) -> Message:
        status = CollectorStatus(group=self._group, collector=self._client_id, state=state, time=time.time())
        return Message(self._presence, msgspec.json.encode(status), retain=True)
