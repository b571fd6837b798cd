"""Bytes and flushes that reach the disk for each result at 30 results a second, as the block device counts them.

    PYTHONPATH=scripts .venv/bin/python -m bench_delivery.writes [--seconds 60] [--json]     (as root: it mounts disks)

Each store runs in a process of its own with a disk of its own, all at the same time. `link up`: each result is
acknowledged as soon as it can be; `link down`: none is. persist-queue is installed for the measurement only.
"""

import argparse
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import paho.mqtt.client as mqtt
from chaos_run.loop_disk import LoopDisk, Written
from paho.mqtt.enums import CallbackAPIVersion

from edge_infer import MqttPublisher
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.tools.local_broker import local_broker
from edge_infer.types import Detections, ModelId, Result
from edge_infer.wire.results import to_wire

RATE = 30.0  # results per second
OBJECTS = 5
LABELS = ("person", "bicycle", "car")
END_S = 60.0
AWAY = "mqtt://127.0.0.1:1"  # nobody listens there
SCRIPTS = Path(__file__).resolve().parents[1]


class Store(Protocol):
    """What keeps results until they are acknowledged."""

    def put(self, result: Result) -> None: ...

    def close(self) -> None: ...


class Ours:
    """The outbox of edge_infer."""

    def __init__(self, folder: Path, url: str, durability: str) -> None:
        settings = OutboxSettings(durability=durability, min_free_bytes=0)  # type: ignore[arg-type]
        device = f"device-{os.getpid()}"
        self._publisher = MqttPublisher(url, device=device, state_dir=folder, outbox=settings, ack="broker")
        self._publisher.start()

    def put(self, result: Result) -> None:
        self._publisher.publish(result)

    def close(self) -> None:
        self._publisher.close(0.5)


class OneCommit:
    """SQLite as most would write it: WAL, FULL, a commit for each result and one for its acknowledgement."""

    def __init__(self, folder: Path, url: str) -> None:
        self._acknowledges = url != AWAY
        self._db = sqlite3.connect(folder / "queue.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE queue (seq INTEGER PRIMARY KEY, payload BLOB)")

    def put(self, result: Result) -> None:
        seq = self._db.execute("INSERT INTO queue (payload) VALUES (?)", (payload(result),)).lastrowid
        if self._acknowledges:
            self._db.execute("DELETE FROM queue WHERE seq = ?", (seq,))

    def close(self) -> None:
        self._db.close()


class PersistQueue:
    """persist-queue's SQLiteAckQueue with its defaults."""

    def __init__(self, folder: Path, url: str) -> None:
        import persistqueue  # type: ignore[import-not-found]

        self._acknowledges = url != AWAY
        self._queue = persistqueue.SQLiteAckQueue(str(folder))

    def put(self, result: Result) -> None:
        self._queue.put(payload(result))
        if self._acknowledges:
            self._queue.ack(self._queue.get())

    def close(self) -> None:
        self._queue.close()


class PahoAlone:
    """paho's own queue, in RAM: it writes nothing, and loses all that waits with the process."""

    def __init__(self, folder: Path, url: str) -> None:
        del folder
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.connect_async("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self._client.loop_start()

    def put(self, result: Result) -> None:
        self._client.publish("results", payload(result), qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


STORES: dict[str, Callable[[Path, str], Store]] = {
    "edge_infer, relaxed": lambda folder, url: Ours(folder, url, "relaxed"),
    "edge_infer, strict": lambda folder, url: Ours(folder, url, "strict"),
    "SQLite, a commit each": OneCommit,
    "persist-queue": PersistQueue,
    "paho alone (RAM)": PahoAlone,
}
LINKS = ("link up", "link down")


def payload(result: Result) -> bytes:
    """Its JSON."""
    return msgspec.json.encode(to_wire(result))


def results() -> Any:
    """Made-up results of five objects, whose numbers are as hard to compress as those of a camera."""
    dice = np.random.default_rng(1)
    for number in itertools.count():
        labels = tuple(LABELS[choice] for choice in dice.integers(0, len(LABELS), OBJECTS))
        corners = dice.uniform(0, 300, (OBJECTS, 2))
        boxes = np.hstack([corners, corners + dice.uniform(10, 170, (OBJECTS, 2))]).astype(np.float32)
        scores = -np.sort(-dice.uniform(0.5, 1.0, OBJECTS)).astype(np.float32)
        yield Result(
            source="door",
            number=number,
            captured_at=time.time(),
            captured_ns=time.monotonic_ns(),
            size=(640, 480),
            task="detect",
            model=ModelId("ssd", "1.0.0", "ab" * 32),
            device="cpu",
            prediction=Detections(boxes, scores, np.arange(OBJECTS), labels),
            timings_ms={"prepare": dice.uniform(1, 2), "infer": dice.uniform(10, 12), "decode": dice.uniform(0.1, 1)},
        )


def fill(name: str, folder: Path, url: str, seconds: float) -> None:
    """Give a store its results at their pace."""
    store = STORES[name](folder, url)
    began = time.monotonic()
    for made, result in enumerate(results(), start=1):
        store.put(result)
        if made >= seconds * RATE:
            break
        time.sleep(max(0.0, began + made / RATE - time.monotonic()))
    store.close()


def measure(seconds: float) -> list[dict[str, Any]]:
    """Bytes and flushes a result, of each store and link."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-infer-writes-")))
        libraries = folder / "libraries"
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        install = [*pip, "install", "--no-deps", "--target", str(libraries), "persist-queue"]
        names = list(STORES)
        if subprocess.run(install, check=False).returncode:
            print("without persist-queue: pip cannot install it", file=sys.stderr)
            names.remove("persist-queue")
        broker = stack.enter_context(local_broker())
        disks: dict[tuple[str, str], LoopDisk] = {}
        before: dict[tuple[str, str], Written] = {}
        running = []
        for name, link in itertools.product(names, LINKS):
            own = folder / str(len(disks))
            own.mkdir()
            disk = stack.enter_context(LoopDisk(own, 128))
            subprocess.run(["sync", "-f", str(disk.path)], check=True)
            disks[name, link], before[name, link] = disk, disk.written()
        for (name, link), disk in disks.items():
            url = broker if link == "link up" else AWAY
            command = [sys.executable, "-m", "bench_delivery.writes", "--fill", name, "--folder", str(disk.path)]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(libraries)])}
            process = subprocess.Popen([*command, "--url", url, "--seconds", str(seconds)], env=environment)
            stack.callback(process.kill)
            running.append(process)
        for process in running:
            if process.wait(seconds + END_S):
                raise SystemExit(f"a store failed: {process.args!r}")
        return [_measured(*key, disks[key], before[key], seconds * RATE) for key in disks]


def _measured(name: str, link: str, disk: LoopDisk, before: Written, results: float) -> dict[str, Any]:
    subprocess.run(["sync", "-f", str(disk.path)], check=True)
    after = disk.written()
    size = after.size - before.size
    return {
        "store": name,
        "link": link,
        "bytes_per_result": round(size / results, 1),
        "flushes_per_result": round((after.flushes - before.flushes) / results, 4),
        "gb_per_day": round(size / results * RATE * 86400 / 1e9, 2),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench_delivery.writes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fill", choices=list(STORES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.fill:
        fill(chosen.fill, chosen.folder, chosen.url, chosen.seconds)
        return 0
    measured = measure(chosen.seconds)
    if chosen.json:
        print("\n".join(json.dumps(row) for row in measured))
        return 0
    print(f"{'':24}{'':10}{'bytes/result':>14}{'flushes/result':>16}{'GB/day':>10}")
    for row in measured:
        numbers = f"{row['bytes_per_result']:14.1f}{row['flushes_per_result']:16.4f}{row['gb_per_day']:10.2f}"
        print(f"{row['store']:24}{row['link']:10}{numbers}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
