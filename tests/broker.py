"""A real mosquitto that a test may kill, freeze and restart; a subscriber; and a proxy that counts and obstructs."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_infer.tools.local_broker import find_mosquitto, free_port

PUBLISH, PUBACK = 3, 4  # Source: MQTT 5 specification, 2.1.2
MQTT_5 = 5  # Source: MQTT 5 specification, 3.1.2.2, protocol level
REFUSED_VERSION = b"\x20\x02\x00\x01"  # a 3.1.1 CONNACK: unacceptable protocol version


def until(condition: Callable[[], object], seconds: float = 10.0, what: str = "the condition") -> None:
    """Wait until something is true; the test fails if it does not become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
        time.sleep(0.01)


class Mosquitto:
    """The broker in a process of its own, on a loopback port that it keeps over restarts."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true", *, scheme: str = "mqtt") -> None:
        program = find_mosquitto()
        if program is None:
            pytest.skip("needs mosquitto: apt install mosquitto")
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        user = "user root\n" if os.geteuid() == 0 else ""  # else it gives root up and cannot read the folder
        config = folder / "mosquitto.conf"
        config.write_text(
            f"{user}persistence false\nset_tcp_nodelay true\nmax_queued_messages 0\n"
            f"listener {self.port} 127.0.0.1\n{settings}\n"
        )
        self._command = [program, "-c", str(config)]

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until(self._listens, 10.0, f"mosquitto listening ({self._log.read_text()[-300:]})")

    def kill(self) -> None:
        """End it as a power cut would: no goodbye, no last will."""
        if self._process:
            self._process.kill()
            self._process.wait(10.0)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It is there but does nothing: what a half-open connection looks like."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
            return True
        return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def with_password(folder: Path, user: str, password: str) -> Mosquitto:
    """A broker that knows one user."""
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("needs mosquitto_passwd: apt install mosquitto")
    users = folder / "users"
    subprocess.run([tool, "-b", "-c", str(users), user, password], check=True, capture_output=True, timeout=20)
    return Mosquitto(folder, f"allow_anonymous false\npassword_file {users}")


def with_acl(folder: Path, *lines: str) -> Mosquitto:
    """A broker that allows what the lines of an ACL file say."""
    rules = folder / "acl"
    rules.write_text("\n".join(lines) + "\n")
    rules.chmod(0o600)
    return Mosquitto(folder, f"allow_anonymous true\nacl_file {rules}")


def with_tls(folder: Path) -> tuple[Mosquitto, Path]:
    """A broker with a certificate for 127.0.0.1 that only the authority in the returned file vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt install openssl")
    ca, ca_key, key, request, certificate = (folder / name for name in ("ca.pem", "ca.key", "key", "csr", "cert.pem"))
    extension = folder / "san"
    extension.write_text("subjectAltName=IP:127.0.0.1\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    signed = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extension]
    for command in (
        ["req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=test authority"],
        ["req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", request, "-out", certificate, *signed],
    ):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True, timeout=20)
    return Mosquitto(folder, f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}", scheme="mqtts"), ca


@dataclass(frozen=True)
class Heard:
    """One message that a subscriber received."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    correlation: bytes | None

    @property
    def said(self) -> Any:
        return msgspec.json.decode(self.payload)


class Subscriber:
    """Somebody else at the broker, by paho's own thread; resubscribes after a loss."""

    def __init__(self, port: int, topic: str = "#", qos: int = 1) -> None:
        self.heard: list[Heard] = []
        self.subscriptions = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(min_delay=0.05, max_delay=0.2)  # type: ignore[arg-type]  # fractions work
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos)
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        self._port = port

    def _subscribed(self, *_: object) -> None:
        self.subscriptions += 1

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        self.heard.append(Heard(message.topic, message.payload, message.qos, message.retain, correlation))

    def on(self, end: str) -> list[Heard]:
        """What came on topics that end so."""
        return [heard for heard in list(self.heard) if heard.topic.endswith(end)]

    def envelopes(self) -> list[dict[str, Any]]:
        return [heard.said for heard in list(self.heard) if "/results/" in heard.topic]

    def seqs(self) -> list[int]:
        """Sequence numbers in the order of their arrival."""
        return [e["first_seq"] + i for e in self.envelopes() for i in range(len(e["results"]))]

    def states(self) -> list[str]:
        """What the devices said of themselves, in order."""
        return [heard.said["state"] for heard in self.on("/status")]

    def send(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation is not None:
            properties.CorrelationData = correlation
        self._client.publish(topic, payload, 1, retain, properties).wait_for_publish(5.0)

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        until(lambda: self.subscriptions, what="the subscription")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Proxy:
    """Stands between a client and the broker.

    Attributes:
        blocked: hangs up on whoever connects
        refuse_v5: how it treats MQTT 5: not at all, with the answer of an old broker, or by hanging up
        levels: protocol levels of the CONNECTs that it saw
        most_in_flight: the largest number of unacknowledged PUBLISHes that it saw
    """

    def __init__(self, port: int, *, refuse_v5: str = "", blocked: bool = False) -> None:
        self.blocked = blocked
        self.refuse_v5 = refuse_v5
        self.levels: list[int] = []
        self.most_in_flight = 0
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def cut(self) -> None:
        """Hang up on all, and on whoever comes, until `blocked` is False again."""
        self.blocked = True
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            self._open.append(client)
            self._start(self._serve, client)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), client:
            _, connect = read_packet(client)
            level = connect[_body_start(connect) + 6]  # after the length and the letters of "MQTT"
            self.levels.append(level)
            if self.blocked:
                return
            if level == MQTT_5 and self.refuse_v5:
                client.sendall(REFUSED_VERSION if self.refuse_v5 == "answer" else b"")
                return
            with socket.create_connection(("127.0.0.1", self._upstream)) as broker:
                self._open.append(broker)
                unacknowledged: Counter[str] = Counter()
                broker.sendall(connect)
                self._start(self._forward, broker, client, unacknowledged)
                self._forward(client, broker, unacknowledged)

    def _forward(self, source: socket.socket, target: socket.socket, counted: Counter[str]) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, packet = read_packet(source)
                if kind == PUBLISH and target.getpeername()[1] == self._upstream and packet[0] & 0b0110:
                    counted["in flight"] += 1
                    self.most_in_flight = max(self.most_in_flight, counted["in flight"])
                elif kind == PUBACK and source.getpeername()[1] == self._upstream:
                    counted["in flight"] -= 1
                target.sendall(packet)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5.0)


def read_packet(sock: socket.socket) -> tuple[int, bytes]:
    """(kind, all bytes) of the next MQTT packet; EOFError at the end."""
    packet = _read(sock, 2)
    while packet[-1] & 0x80:
        packet += _read(sock, 1)
    length = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(packet[1:]))
    return packet[0] >> 4, packet + _read(sock, length)


def _body_start(packet: bytes) -> int:
    return 2 + next(i for i, byte in enumerate(packet[1:]) if not byte & 0x80)


def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
