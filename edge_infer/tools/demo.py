"""The main job on one machine: a broker, the daemon, a subscriber and a collector, each a process of its own."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.model_file import read_model
from edge_infer.decode.nms import iou
from edge_infer.errors import EdgeInferError, StalledError, UnavailableError
from edge_infer.registry import source_settings
from edge_infer.sources.images import read_image
from edge_infer.sources.settings import StillSettings
from edge_infer.sources.still import to_view
from edge_infer.tools.local_broker import local_broker
from edge_infer.wire.result_payloads import WireResult

DEVICE = "demo"
PIPELINE = "faces"
DATABASE = "collected.db"
FPS = 15.0  # of the still source
SIZE = (640, 480)
START_S = 30.0  # importing OpenCV from a cold SD card takes this long
STOP_S = 10.0
EDGE_INFER = [sys.executable, "-m", "edge_infer"]


class Demo:
    """One demonstration; `run` returns its summary."""

    def __init__(
        self,
        *,
        camera: str | None,
        video: Path | None,
        model: Path | None,
        seconds: float,
        picture: Path,
        say: Callable[[str], None] | None,
    ) -> None:
        """Show the daemon's configuration through `say` and the table on stderr; None: show nothing."""
        self.model = model or find_bundle()
        read_model(open_bundle(self.model).path)  # a bad one is told at once
        self.seconds = seconds
        self.picture = picture
        self.quiet = say is None
        self.say = say or (lambda _text: None)
        self.still = camera is None and video is None
        self.source = self._still() if self.still else source_settings(camera or video or "")

    def run(self) -> dict[str, Any]:
        """Start everything, wait, end everything, and count.

        Raises:
            EdgeInferError: a part did not start, or ended before its time.
        """
        self.picture.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="edge-infer-demo-") as name, local_broker() as url:
            folder = Path(name)
            yaml = self._configuration(url, folder)
            (folder / "config.yaml").write_text(yaml)
            self.say(f"The daemon's configuration:\n\n{yaml}\nWhat a subscriber sees:\n")
            with self._subscriber(url, folder) as subscriber, self._collector(url, folder) as collector:
                wait_for((folder / "results.jsonl").exists, subscriber, "the subscriber")
                self._run_daemon(folder)
                subscriber.wait(STOP_S)
                collector.terminate()
                collector.wait(STOP_S)
            counted = json.loads((folder / "summary.json").read_text())
            audited = audit(folder / DATABASE)
            results = [
                msgspec.json.decode(line, type=Received)
                for line in (folder / "results.jsonl").read_bytes().splitlines()
            ]
        return self._summary(counted, results) | audited

    def _run_daemon(self, folder: Path) -> None:
        results = folder / "results.jsonl"
        command = [*EDGE_INFER, "run", "--config", str(folder / "config.yaml"), "--fail-fast", "--log-level", "error"]
        with started(command, subprocess.DEVNULL, None) as daemon:
            wait_for(lambda: results.stat().st_size > 0, daemon, "the daemon")
            with contextlib.suppress(subprocess.TimeoutExpired):  # a file may end before its time
                daemon.wait(self.seconds)
            daemon.terminate()
            code = daemon.wait(STOP_S)
        if code:
            raise EdgeInferError(f"the daemon ended with exit code {code}")

    def _subscriber(self, url: str, folder: Path) -> "AbstractContextManager[subprocess.Popen[bytes]]":
        command = [*EDGE_INFER, "watch", "--mqtt", url, "--device", DEVICE, "--until-offline", "--from-start"]
        command += ["--results", str(folder / "results.jsonl"), "--snapshot", str(self.picture)]
        command += ["--summary", str(folder / "summary.json")]
        return started(command, subprocess.DEVNULL if self.quiet else None, subprocess.DEVNULL if self.quiet else None)

    def _collector(self, url: str, folder: Path) -> "AbstractContextManager[subprocess.Popen[bytes]]":
        command = [*EDGE_INFER, "collector", "run", "--mqtt", url, "--db", str(folder / DATABASE)]
        return started([*command, "--log-level", "error"], subprocess.DEVNULL, None)

    def _summary(self, counted: dict[str, Any], results: list["Received"]) -> dict[str, Any]:
        ages_ms = [(result.received_at - result.time) * 1e3 for result in results]
        return {
            "published": counted["published"],
            "received": counted["received"],
            "lost": counted["lost"],
            "fps": counted["fps"][PIPELINE],
            "p95_ms": round(float(np.percentile(ages_ms, 95)), 2),
            "iou_mean": round(float(np.mean([self._overlap(r) for r in results])), 3) if self.still else None,
        }

    def _overlap(self, result: WireResult) -> float:
        """IoU of the best detection with the true box of this frame, 0 if there is none."""
        found = result.detections or ()
        if not found:
            return 0.0
        true_box = to_view(self.true_box, result.frame, self.picture_size, SIZE, FPS, self.true_box)
        return float(iou(np.array(true_box), np.array([found[0].box]))[0])

    def _still(self) -> StillSettings:
        """The sample picture of the bundle as a camera; its true face is known."""
        bundle = find_bundle()
        sample = msgspec.json.decode((bundle / "sample.json").read_bytes())
        picture = bundle / sample["picture"]
        x0, y0, x1, y1 = map(float, sample["faces"][0]["box"])
        self.true_box = (x0, y0, x1, y1)
        height, width = read_image(picture).shape[:2]
        self.picture_size = (width, height)
        return StillSettings(uri=picture, size=SIZE, fps=FPS, focus=self.true_box)

    def _configuration(self, url: str, folder: Path) -> str:
        """What a user would write; JSON is YAML."""
        source = {name: v for name, v in msgspec.to_builtins(self.source, enc_hook=str).items() if v not in (None, "")}
        return f"""version: 1
device: {{id: {DEVICE}, state_dir: {folder / "state"}}}
mqtt: {{url: "{url}", ack: collector}}
health: {{interval_s: 1}}
pipelines:
  {PIPELINE}:
    source: {json.dumps(source)}
    model: {{path: {self.model.resolve()}}}
    snapshot_s: 1
"""


def audit(database: Path) -> dict[str, int]:
    """How many results are rows in the collector's database, and how many numbers are missing or there twice."""
    command = [*EDGE_INFER, "collector", "audit", "--db", str(database), "--json"]
    said = subprocess.run(command, capture_output=True, check=False, timeout=START_S)
    if not said.stdout:
        raise EdgeInferError(f"the audit fails: {said.stderr.decode(errors='replace').strip()}")
    epochs = json.loads(said.stdout)["epochs"]

    def count(what: str) -> int:
        return sum(last - first + 1 for epoch in epochs for first, last in epoch[what])

    return {"rows": sum(epoch["rows"] for epoch in epochs), "missing": count("missing"), "double": count("double")}


class Received(WireResult, frozen=True, kw_only=True):
    """A result as `watch --results` writes it."""

    received_at: float


def find_bundle() -> Path:
    """The face detector that ships: beside the package in a clone, or inside it when it is installed.

    Raises:
        UnavailableError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "models", package / "models"):
        if (folder / "face-detection/manifest.yaml").is_file():
            return folder / "face-detection"
    raise UnavailableError("the bundle face-detection is not here: give --model, or run scripts/build-models")


@contextmanager
def started(command: list[str], stdout: int | None, stderr: int | None) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does not outlive the block."""
    process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", who: str) -> None:
    """Wait until the process has done something.

    Raises:
        EdgeInferError: it ended before, or did nothing for `START_S` seconds.
    """
    deadline = time.monotonic() + START_S
    while not condition():
        if process.poll() is not None:
            raise UnavailableError(f"{who} ended at once (exit code {process.returncode}); the reason stands above")
        if time.monotonic() > deadline:
            raise StalledError(f"{who} did nothing for {START_S:.0f} s")
        time.sleep(0.05)
