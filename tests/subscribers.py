"""docs/subscribers.md for the tests that hold it to its word: its blocks, and the devices that it speaks of."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import write_schemas
from broker import Mosquitto, Subscriber
from waiting import until

import edge_infer as ei
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.types import Result
from edge_infer.wire import payloads as p
from edge_infer.wire.result_payloads import WireResult

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MODEL = ROOT / "models/face-detection"
TALKATIVE = "allow_anonymous true\nlog_type all"  # its log tells when somebody has subscribed
START_S = 30.0  # a busy machine needs this for the imports
CONFIGURATION = """version: 1
device: {{id: porch, state_dir: state}}
mqtt: {{url: '{url}'}}
health: {{interval_s: 0.5}}
pipelines:
  door:
    source: {{kind: still, uri: {model}/sample.jpg, fps: 10}}
    model: {{path: {model}, device: cpu}}
    snapshot_s: 0.5
"""
MESSAGES = {  # commands and their answers carry no schema: their topic tells
    f"edge-infer/{name}@1": kind for name, kind in write_schemas.MESSAGES.items() if name not in ("command", "response")
}


def blocks(language: str, document: str = "subscribers.md") -> list[str]:
    """The fenced blocks of a document in this language."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / document).read_text(), re.DOTALL)


def needs(*programs: str) -> None:
    """Skip the test where a program is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt install mosquitto-clients jq nodejs npm")


def kind_of(message: dict[str, Any]) -> Any:
    """The type of a message, by its schema; results and answers carry none."""
    if "schema" in message:
        return MESSAGES[message["schema"]]
    return WireResult if "frame" in message else p.Response


def is_complete(message: dict[str, Any]) -> bool:
    """Whether its type reads it, and knows each key of it."""
    read = msgspec.json.decode(json.dumps(message), type=kind_of(message))
    return bool(json.loads(msgspec.json.encode(read)) == message)


def a_face() -> Result:
    """What the model of the page says about its sample."""
    with ei.load(MODEL, device="cpu") as model:
        return model(MODEL / "sample.jpg")


@contextmanager
def porch(folder: Path, broker: Mosquitto) -> Iterator[None]:
    """The daemon of the page, once all that it says regularly has been said."""
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIGURATION.format(url=broker.url, model=MODEL))
    command = [sys.executable, "-m", "edge_infer", "run", "--config", "config.yaml"]
    with Subscriber(broker.port) as heard, (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log)
        try:
            for end in ("/results/door", "/latest/door", "/snapshot/door", "/health", "/info"):
                until(lambda end=end: heard.on(end), START_S, f"{end} ({(folder / 'log').read_text()[-500:]})")
            yield
        finally:
            process.terminate()
            process.wait(10.0)


@contextmanager
def yard(folder: Path, broker: Mosquitto) -> Iterator[None]:
    """A device of an application that compresses, and publishes in bursts until the end of the block."""
    face, stopping = a_face(), threading.Event()
    with MqttPublisher(broker.url, device="yard", state_dir=folder, deflate=True) as out:

        def publish() -> None:
            while not stopping.wait(0.05):
                for _ in range(10):
                    out.publish(face, pipeline="gate")

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()


def with_a_gap(folder: Path, broker: Mosquitto, device: str) -> p.OutboxHealth:
    """Publish compressed batches, some late and more than the outbox holds; what became of all of them."""
    face = a_face()
    out = MqttPublisher(broker.url, device=device, state_dir=folder, outbox=OutboxSettings(max_rows=100), deflate=True)
    for _ in range(300):
        out.publish(face, pipeline="gate")
    with Subscriber(broker.port, "edge/v1/+/gaps") as heard, out:
        out.wait_connected(START_S)
        for _ in range(20):
            out.publish(face, pipeline="gate")
        until(lambda: heard.on("/gaps"), START_S, "the report of the gap")
    return out.health()
