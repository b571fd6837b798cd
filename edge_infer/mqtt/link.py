"""One connection to the broker, driven by the one thread that uses it: no callbacks from elsewhere, no locks."""

import logging
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_infer.errors import UplinkError
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.reasons import advice, taken_over, why

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0  # seconds, for each of: TCP and TLS, and the broker's answer
DEFAULT_RECEIVE_MAXIMUM = 65535  # Source: MQTT 5 specification, 3.2.2.3.3
PAHO_LOST = "Unspecified error"  # Source: paho 2.2, what MQTT_ERR_CONN_LOST becomes
NO_SUBSCRIBERS, TAKEN_OVER = 0x10, 0x8E  # Source: MQTT 5 specification, 2.4, reason codes
UNSUPPORTED_VERSION = "Unsupported protocol version"


class TakenOverError(UplinkError):
    """Another client has connected with our id."""


class OldBrokerError(UplinkError):
    """The broker does not speak this version of MQTT."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, or was received."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    mid: int = 0  # of a received one: what `acknowledge` takes
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """How a subscriber receives: by default nothing is kept for it while it is away, and paho acknowledges for it."""

    keep_s: int = 0  # how long the broker keeps the session, and with it what comes meanwhile (MQTT 5)
    receive_maximum: int = DEFAULT_RECEIVE_MAXIMUM  # messages that the broker sends before the first is acknowledged
    manual_ack: bool = False  # `Link.acknowledge` tells the broker, in the order in which they came


class Link:
    """A connected MQTT client. Lost means lost: a new connection is a new Link.

    Attributes:
        acknowledged: (message id, None or why not), as the broker answered; the owner empties it
        unheard: how many messages nobody was subscribed to (MQTT 5)
        max_bytes: the largest packet that the broker takes, None if it does not say
        window: how many unacknowledged messages the broker takes at a time
        subscribed: the broker has answered to the subscriptions
        refused: (topic, why) of each subscription that the broker refused
        shares: the broker has shared subscriptions
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        will: Message | None = None,
        subscribe: tuple[str, ...] = (),
        on_message: Callable[[Message], None] | None = None,
        session: Session = Session(),
    ) -> None:
        self.acknowledged: deque[tuple[int, str | None]] = deque()
        self.window = broker.window
        self.unheard = 0
        self.max_bytes: int | None = None
        self.subscribed = False
        self.refused: list[tuple[str, str]] = []
        self.shares = version == MQTTProtocolVersion.MQTTv5
        self.version = version
        self._broker = broker
        self._subscribe = subscribe
        self._on_message = on_message
        self._session = session
        self._answer: ReasonCode | None = None
        self._lost: str | None = None
        self._taken_over = False
        self._client_id = client_id
        self._client = self._make_client(client_id, will)

    def _make_client(self, client_id: str, will: Message | None) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=self.version,
            clean_session=True if self.version != MQTTProtocolVersion.MQTTv5 else None,
            reconnect_on_failure=False,
            manual_ack=self._session.manual_ack,
        )
        client.connect_timeout = CONNECT_TIMEOUT
        client.max_inflight_messages_set(0)  # no limit but `window`, which the owner keeps
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password())
        if will:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        return client

    def connect(self) -> None:
        """Connect, log in and subscribe.

        Raises:
            UplinkError: not reachable, not trusted, or refused; the message says which.
            OldBrokerError: the broker does not speak this version of MQTT.
        """
        host, port, tls = self._broker.address()
        if tls:
            self._client.tls_set_context(self._broker.tls())
        try:
            self._client.connect(host, port, self._broker.keepalive_s, **self._session_options())
        except (OSError, ValueError) as error:
            raise UplinkError(f"cannot reach the broker {self._broker.url}: {why(error, tls=tls)}") from error
        self._set_nodelay()
        deadline = time.monotonic() + CONNECT_TIMEOUT
        while self._answer is None and self._lost is None and time.monotonic() < deadline:
            self._turn(deadline - time.monotonic(), None)
        self._check_answer()

    def _session_options(self) -> dict[str, Any]:
        if self.version != MQTTProtocolVersion.MQTTv5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session.keep_s
        properties.ReceiveMaximum = self._session.receive_maximum
        return {"clean_start": not self._session.keep_s, "properties": properties}

    def _check_answer(self) -> None:
        url = self._broker.url
        if self._answer is None:
            if self._lost:  # old brokers hang up on a CONNECT of a version that they do not know
                raise OldBrokerError(f"the broker {url} hung up without an answer")
            self.abandon()
            raise UplinkError(f"the broker {url} does not answer")
        if self._answer.is_failure:
            self.close()
            reason = str(self._answer)
            kind = OldBrokerError if reason == UNSUPPORTED_VERSION else UplinkError
            raise kind(f"the broker {url} refuses us: {reason}{advice(reason)}")

    def _set_nodelay(self) -> None:
        sock = self._client.socket()
        if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def publish(self, message: Message) -> int:
        """Send; returns the message id, which `acknowledged` names later (QoS 1).

        Raises:
            UplinkError: the connection is gone.
        """
        properties = None
        if self.version == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if message.expiry_s is not None:
                properties.MessageExpiryInterval = message.expiry_s
            if message.correlation is not None:
                properties.CorrelationData = message.correlation
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise UplinkError(f"the connection to {self._broker.url} broke: {mqtt.error_string(info.rc).rstrip('.')}")
        return info.mid

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a received message is safe (manual_ack); in the order in which they came."""
        if message.qos:
            self._client.ack(message.mid, message.qos)

    def wait(self, timeout: float, wake: socket.socket | None = None) -> None:
        """Serve the connection until something happened, `wake` became readable, or `timeout` seconds passed.

        Raises:
            UplinkError: the connection is gone.
        """
        self._turn(timeout, wake)
        if self._taken_over:
            raise TakenOverError(taken_over(self._broker.url, self._client_id))
        if self._lost:
            raise UplinkError(f"lost the broker {self._broker.url}: {self._lost}")

    def close(self) -> None:
        """Say goodbye (so that no last will is spoken) and close."""
        self._client.disconnect()
        deadline = time.monotonic() + 1.0
        while self._client.socket() is not None and self._client.want_write() and time.monotonic() < deadline:
            self._turn(0.1, None)
        self.abandon()

    def abandon(self) -> None:
        """Close without a goodbye."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _turn(self, timeout: float, wake: socket.socket | None) -> None:
        sock = self._client.socket()
        if sock is None:
            self._lost = self._lost or "closed"
            return
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            timeout = 0.0
        watched = [sock] if wake is None else [sock, wake]
        readable, writable, _ = select.select(
            watched, [sock] if self._client.want_write() else [], [], max(0.0, timeout)
        )
        if sock in readable or timeout == 0.0:
            self._client.loop_read()
        if sock in writable:
            self._client.loop_write()
        self._client.loop_misc()

    def _connected(
        self, client: mqtt.Client, _u: object, _f: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answer = reason
        if reason.is_failure:
            return
        self.window = min(self.window, getattr(properties, "ReceiveMaximum", DEFAULT_RECEIVE_MAXIMUM))
        self.max_bytes = getattr(properties, "MaximumPacketSize", None)
        # Source: MQTT 5 specification, 3.2.2.3.13: without the property it has them
        self.shares = self.shares and bool(getattr(properties, "SharedSubscriptionAvailable", 1))
        if self._subscribe:
            client.subscribe([(topic, 1) for topic in self._subscribe])

    def _published(
        self, _c: mqtt.Client, _u: object, mid: int, reason: ReasonCode | None, _p: Properties | None
    ) -> None:
        self.unheard += reason is not None and reason.value == NO_SUBSCRIBERS
        self.acknowledged.append((mid, _refusal(reason)))

    def _subscribed(
        self, _c: mqtt.Client, _u: object, _mid: int, reasons: list[ReasonCode], _p: Properties | None
    ) -> None:
        self.subscribed = True
        for topic, reason in zip(self._subscribe, reasons, strict=False):
            if reason.is_failure:
                self.refused.append((topic, str(reason)))
                log.error("the broker refuses our subscription", extra={"topic": topic, "reason": str(reason)})

    def _disconnected(self, _c: mqtt.Client, _u: object, _f: object, reason: ReasonCode, _p: Properties | None) -> None:
        said = str(reason)
        self._taken_over = self._taken_over or reason.value == TAKEN_OVER
        self._lost = self._lost or ("the connection broke" if said == PAHO_LOST else said)

    def _received(self, _c: mqtt.Client, _u: object, received: mqtt.MQTTMessage) -> None:
        if self._on_message is None:
            return
        properties = received.properties
        self._on_message(
            Message(
                topic=received.topic,
                payload=bytes(received.payload),
                qos=received.qos,
                retain=received.retain,
                mid=received.mid,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
            )
        )


def connect(
    broker: Broker,
    client_id: str,
    *,
    will: Message | None = None,
    subscribe: tuple[str, ...] = (),
    on_message: Callable[[Message], None] | None = None,
    session: Session = Session(),
) -> Link:
    """A connected Link, with MQTT 5 or, where the broker does not speak it and the settings allow, 3.1.1.

    Raises:
        UplinkError: see Link.connect.
    """
    versions = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
    tried = list(versions.values()) if broker.protocol == "auto" else [versions[broker.protocol]]
    for version in tried:
        link = Link(
            broker, client_id, version=version, will=will, subscribe=subscribe, on_message=on_message, session=session
        )
        try:
            link.connect()
        except OldBrokerError:
            if version == tried[-1]:
                raise
            continue
        return link
    raise AssertionError("unreachable: the last version returns or raises")


def _refusal(reason: ReasonCode | None) -> str | None:
    return str(reason) if reason is not None and reason.is_failure else None
