"""`edge-infer collector` as a process, a device that resends, and what the audit says of it."""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from broker import Mosquitto, Subscriber
from command import EDGE_INFER, START_S, environment, run
from waiting import until

from edge_infer.wire.payloads import Ack, Envelope, StatusMessage
from edge_infer.wire.ranges import Ranges
from edge_infer.wire.topics import Kind, Topics


class Collector:
    """`edge-infer collector run`, killed at the end of the block if it still runs."""

    def __init__(self, folder: Path, url: str, *arguments: str) -> None:
        self._log = folder / "collector.log"
        command = [*EDGE_INFER, "collector", "run", "--mqtt", url, "--db", str(folder / "collected.db"), *arguments]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment(), stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, text: str, times: int = 1) -> Self:
        until(
            lambda: self.log.count(text) >= times or self.process.poll() is not None, START_S, f"{text} in {self.log}"
        )
        assert self.log.count(text) >= times
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Device:
    """Publishes envelopes of ten results, and again what is not acknowledged."""

    def __init__(self, mosquitto: Mosquitto, name: str = "porch") -> None:
        self._heard = Subscriber(mosquitto.port, f"edge/v1/{name}/ack")
        self._topics = Topics(name)
        self.sent = 0
        self._lock = threading.Lock()
        self._read = 0
        self._acknowledged = Ranges()

    def publishes(self, results: int) -> None:
        for first_seq in range(self.sent + 1, self.sent + results, 10):
            self._send(first_seq)
        self.sent += results

    def _send(self, first_seq: int) -> None:
        results = [{"time": 1_700_000_000.0 + seq, "mono_ns": seq} for seq in range(first_seq, first_seq + 10)]
        said = {"device": self._topics.device, "epoch": 1, "boot": f"of-{self._topics.device}", "clock": "synced"}
        payload = msgspec.json.encode(Envelope(**said, first_seq=first_seq, results=results))
        self._heard.send(self._topics.envelopes(Kind.RESULT, "door"), payload)

    def says_goodbye(self) -> None:
        said = {"device": self._topics.device, "epoch": 1, "boot": f"of-{self._topics.device}", "time": 1_700_000_000.0}
        status = StatusMessage(**said, state="offline", last_seq=self.sent)
        self._heard.send(self._topics.status, msgspec.json.encode(status), retain=True)

    @property
    def acknowledged(self) -> Ranges:
        with self._lock:
            for heard in self._heard.heard[self._read :]:
                self._read += 1
                for _, first, last in msgspec.json.decode(heard.payload, type=Ack).ranges:
                    self._acknowledged.add(first, last)
        return self._acknowledged

    def is_settled(self) -> bool:
        return self.acknowledged.holes(1, self.sent) == []

    def resends(self) -> None:
        """Send again what nobody has acknowledged; the collector takes whole envelopes."""
        for first, last in self.acknowledged.holes(1, self.sent):
            for first_seq in range(first, last, 10):
                self._send(first_seq)

    def __enter__(self) -> Self:
        self._heard.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heard.__exit__(kind, error, trace)


Collect = Callable[..., Collector]


def audit(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run("collector", "audit", "--db", folder / "collected.db", *arguments)


def audited(folder: Path) -> Any:
    """The one epoch of the database."""
    (epoch,) = json.loads(audit(folder, "--json").stdout)["epochs"]
    return epoch
