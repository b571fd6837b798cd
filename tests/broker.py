"""A real mosquitto that a test may kill, freeze and restart; and a subscriber."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
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
from waiting import until

from edge_infer.tools.local_broker import find_mosquitto, free_port


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

    def reload(self) -> None:
        """Read its ACL anew; connections stay."""
        assert self._process
        self._process.send_signal(signal.SIGHUP)

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
