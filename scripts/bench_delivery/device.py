"""Results a second that one process on a device keeps and delivers, beside the parts of that alone.

    PYTHONPATH=scripts .venv/bin/python -m bench_delivery.device [--results 20000] [--json]

`encode`: a result becomes JSON. `put`: an encoded result goes into the outbox (RAM). `commit`: the outbox writes it to
the disk, compressed, 1000 results a transaction. `load`: it takes a backlog from the disk,
acknowledged as it comes. `deliver`: `MqttPublisher.publish` of 5 detections each, to mosquitto and acknowledged, the
disk beside it. `paho`: the same messages, one result each, by paho alone. All in one process on one machine.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench_delivery.ingest import broker
from bench_delivery.writes import results
from edge_infer import MqttPublisher
from edge_infer.deliver.keeper import Keeper
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.wire.results import to_wire
from edge_infer.wire.topics import Kind

ROUNDS = 3
WAIT_S = 60.0
COMMIT_ROWS = 1000
ROOMY = OutboxSettings(max_bytes=1_000_000_000, max_rows=100_000_000, min_free_bytes=0)


def rate(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("nothing happens any more")
        time.sleep(0.001)


def measured(count: int, folder: Path, url: str) -> Iterator[tuple[str, float]]:
    made = [next(stream) for stream in [results()] for _ in range(count)]
    payloads: list[bytes] = []
    yield "encode", rate(count, lambda: payloads.extend(msgspec.json.encode(to_wire(result)) for result in made))
    keeper = Keeper(folder, "bench", ROOMY)
    box = keeper.outbox
    yield "put", rate(count, lambda: [box.put(Kind.RESULT, "door", payload) for payload in payloads])

    def commit() -> None:
        for start in range(0, count, COMMIT_ROWS):
            for payload in payloads[start : start + COMMIT_ROWS]:
                box.put(Kind.RESULT, "door", payload)
            keeper._commit(grow=True)  # noqa: SLF001 - in this thread, so that nothing else is measured

    keeper._commit(grow=True)  # noqa: SLF001
    yield "commit", rate(count, commit)
    box.acknowledge(box.epoch, 1, count)

    def load() -> None:
        while box.counts.acknowledged < 2 * count:
            keeper._load()  # noqa: SLF001
            while batch := box.take(live=False):
                box.acknowledge(batch.epoch, batch.first, batch.last)
            keeper._commit(grow=False)  # noqa: SLF001

    yield "load", rate(count, load)
    keeper.close()
    with MqttPublisher(url, device="bench", state_dir=folder, outbox=ROOMY, backlog_per_s=1e6) as publisher:
        publisher.wait_connected(WAIT_S)

        def deliver() -> None:
            for result in made:
                publisher.publish(result, "door")
            until(lambda: publisher.health().acknowledged == count)

        yield "deliver", rate(count, deliver)
    yield "paho", rate(count, lambda: paho_alone(url, payloads))


def paho_alone(url: str, payloads: list[bytes]) -> None:
    left = threading.Semaphore(0)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_publish = lambda *_: left.release()
    host, port = url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    for payload in payloads:
        client.publish("bench/paho", payload, 1)
    for _ in payloads:
        left.acquire()
    client.disconnect()
    client.loop_stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found: dict[str, list[float]] = {}
    with broker() as url:
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="edge-infer-device-") as folder:
                for what, speed in measured(args.results, Path(folder), url):
                    found.setdefault(what, []).append(speed)
    for what, speeds in found.items():
        line: dict[str, Any] = {"what": what, "results_per_s": round(median(speeds))}
        print(json.dumps(line) if args.json else f"{what:<8} {line['results_per_s']:>8} results/s")


if __name__ == "__main__":
    main()
