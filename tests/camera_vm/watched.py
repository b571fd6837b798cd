"""A daemon with one camera, as its subscribers see it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker import Mosquitto, Subscriber
from waiting import until

MODEL = Path(__file__).parents[2] / "models/face-detection"
AGE_LIMIT_S = 2.0
STILL_LIMIT_S = 2.0
PATIENCE = 60.0  # s; the machine is emulated, and not alone


@dataclass(frozen=True)
class Watched:
    """The pipeline `porch` of a running daemon."""

    process: "subprocess.Popen[bytes]"
    subscriber: Subscriber
    log: Path

    def records(self) -> dict[int, Any]:
        """All that was numbered, by its number: each once."""
        numbered: dict[int, Any] = {}
        for envelope in self.subscriber.envelopes():
            for seq, record in enumerate(envelope["results"], envelope["first_seq"]):
                assert seq not in numbered, f"number {seq} came twice"
                numbered[seq] = record
        return numbered

    def results(self) -> list[dict[str, Any]]:
        """In the order of their numbers."""
        return [record for _, record in sorted(self.records().items()) if "frame" in record]

    def reason(self) -> str | None:
        """What the device's status says of the camera."""
        said = self.subscriber.on("/status")[-1].said
        reason: str | None = (said.get("reasons") or {}).get("porch")
        return reason

    def restarts(self) -> int:
        """How often the camera was opened again."""
        restarts: int = self.subscriber.on("/health")[-1].said["pipelines"]["porch"]["source_restarts"]
        return restarts

    def handles(self) -> list[str]:
        """The cameras that it has open, as often as it has."""
        files = [str(file.readlink()) for file in Path(f"/proc/{self.process.pid}/fd").iterdir()]
        return [file for file in files if file.startswith("/dev/video")]

    def await_loss(self) -> None:
        """The status says that there are no frames."""
        with took("noticed"):
            self._until(self.reason, "the loss on the status topic")

    def await_results(self, what: str = "results again") -> None:
        """Something new was seen by the camera, and the status is good."""
        now = time.monotonic_ns()
        with took(what):
            self._until(lambda: any(result["mono_ns"] > now for result in self.results()[-3:]), "a new result")
        self._until(lambda: self.subscriber.states()[-1:] == ["online"], "the status online")

    def _until(self, condition: Any, what: str) -> None:
        try:
            until(condition, PATIENCE, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.subscriber.states()}\n{self.log.read_text()}") from None


@contextmanager
def took(what: str) -> Iterator[None]:
    """Prints seconds of the emulated machine: no claim about any other."""
    started = time.monotonic()
    yield
    print(f" {what} after {time.monotonic() - started:.1f} s;", end="")


@contextmanager
def watched(uri: str, folder: Path) -> Iterator[Watched]:
    """At its end each result must have been an answer, and every number must have come, of frames in their order."""
    config, log = folder / "edge-infer.yaml", folder / "log"
    with Mosquitto(folder) as broker, Subscriber(broker.port) as subscriber:
        settings = {
            "version": 1,
            "device": {"id": "vm", "state_dir": str(folder / "state")},
            "mqtt": {"url": broker.url},
            "health": {"interval_s": 0.5},
            "supervise": {"infer_s": PATIENCE},
            "pipelines": {
                "porch": {
                    "source": {"kind": "camera", "uri": uri, "size": [320, 180], "fps": 10},
                    "model": {"path": str(MODEL), "device": "cpu"},
                    "max_frame_age_s": AGE_LIMIT_S,
                    "max_still_s": STILL_LIMIT_S,
                }
            },
        }
        config.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "edge_infer", "run", "--config", str(config)]
        with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
            try:
                daemon = Watched(process, subscriber, log)
                daemon.await_results("the first result")
                yield daemon
                wrong = [result for result in daemon.results() if result["status"] != "ok"]
                assert not wrong, wrong
                process.terminate()
                assert process.wait(PATIENCE) == 0, log.read_text()
            finally:
                process.kill()
        until(lambda: subscriber.states()[-1] == "offline", PATIENCE, "the goodbye")
        last = subscriber.on("/status")[-1].said["last_seq"]
        until(lambda: sorted(daemon.records()) == list(range(1, last + 1)), PATIENCE, "every sequence number")
        captured = [result["mono_ns"] for result in daemon.results()]
        assert captured == sorted(set(captured)), "a frame was counted twice, or an old one as new"
