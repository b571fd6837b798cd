"""Results a second from the broker into a database, by one collector, each acknowledged to its device.

    PYTHONPATH=scripts .venv/bin/python -m bench_delivery.ingest [--rows 200000] [--db URL ...] [--json]

Envelopes of 50 results of 5 objects wait at mosquitto when the collector comes, so that the publisher takes no CPU
from it. `none`: decoded, and not stored. PostgreSQL is measured where its URL is given; rows of earlier runs are
told apart by their epoch.
"""

import argparse
import contextlib
import json
import logging
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edge_infer.collector.arrivals import Arrival, Database, Rows, Stored
from edge_infer.collector.database import open_database
from edge_infer.collector.service import Collector
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Message, connect
from edge_infer.tools.local_broker import find_mosquitto, free_port
from edge_infer.wire.payloads import Envelope
from edge_infer.wire.result_payloads import WireDetection, WireResult
from edge_infer.wire.topics import Kind, Topics

ROUNDS = 3
BATCH = 50  # results of one envelope
OBJECTS = 5
DEVICES = 20
GROUP = "bench"
NONE = "none"
END_S = 300.0
# What docs/collector.md recommends; the queue has to hold the whole run.
MOSQUITTO = "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_inflight_messages 2000\n\
max_queued_messages 0\nlog_type error\n"


class Nothing:
    """A database that keeps nothing: what is left is the broker, MQTT and decoding."""

    def store(self, arrivals: Sequence[Arrival], received_at: float) -> Stored:
        return Stored(rows=sum(len(arrival.rows) for arrival in arrivals if isinstance(arrival, Rows)))

    def expire(self, before: float) -> int:
        return 0

    def close(self) -> None:
        pass


class Timed:
    """A database that notes when it began, and when it had stored all."""

    def __init__(self, database: Database, rows: int, done: Callable[[], None]) -> None:
        self.began = self.ended = 0.0
        self.rows = 0
        self._database = database
        self._wanted = rows
        self._done = done
        self.expire = database.expire
        self.close = database.close

    def store(self, arrivals: Sequence[Arrival], received_at: float) -> Stored:
        self.began = self.began or time.perf_counter()
        stored = self._database.store(arrivals, received_at)
        self.rows += stored.rows
        if self.rows >= self._wanted:
            self.ended = self.ended or time.perf_counter()
            self._done()
        return stored


@contextmanager
def broker() -> Iterator[str]:
    """mosquitto, with room for a collector."""
    program = find_mosquitto()
    if program is None:
        raise SystemExit("needs mosquitto: apt install mosquitto")
    with tempfile.TemporaryDirectory(prefix="edge-infer-ingest-") as folder:
        port = free_port()
        config = Path(folder) / "mosquitto.conf"
        config.write_text(MOSQUITTO.format(port=port))
        with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
            try:
                wait_listening(port)
                yield f"mqtt://127.0.0.1:{port}"
            finally:
                process.terminate()


def wait_listening(port: int) -> None:
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        time.sleep(0.02)
    raise SystemExit("mosquitto does not start")


def publish(url: str, rows: int, epoch: int) -> None:
    """Leave the envelopes at the broker."""
    results = [result(number) for number in range(BATCH)]
    link = connect(Broker(url=url, protocol="5"), "bench-devices")
    in_flight = 0
    for number in range(rows // BATCH):
        envelope = Envelope(
            device=f"device-{number % DEVICES}",
            epoch=epoch,
            boot="b" * 16,
            first_seq=1 + number // DEVICES * BATCH,
            clock="synced",
            results=results,
        )
        topic = Topics(envelope.device).envelopes(Kind.RESULT, "door")
        link.publish(Message(topic, msgspec.json.encode(envelope)))
        in_flight += 1
        while in_flight >= link.window:
            link.wait(1.0)
            in_flight -= len(link.acknowledged)
            link.acknowledged.clear()
    while in_flight:
        link.wait(1.0)
        in_flight -= len(link.acknowledged)
        link.acknowledged.clear()
    link.close()


def result(number: int) -> WireResult:
    """A result of some objects, about 700 bytes."""
    return WireResult(
        time=1_700_000_000.123456 + number,
        mono_ns=123_456_789_012 + number,
        frame=number,
        width=640,
        height=480,
        task="detect",
        status="ok",
        model="ssd@1.0.0",
        device="cpu",
        timings_ms={"wait": 0.123, "prepare": 1.234, "infer": 10.345, "decode": 0.456},
        detections=tuple(
            WireDetection(label="person", class_id=n, score=0.8123, box=(10.25 + n, 20.5, 100.12, 200.99 + number))
            for n in range(OBJECTS)
        ),
    )


def collector(url: str, open_: Callable[[], Database]) -> Collector:
    return Collector(Broker(url=url, protocol="5"), open_, group=GROUP, client_id="bench-collector")


def subscribe(url: str) -> None:
    """Let the broker keep what comes for a collector that is away."""
    running = collector(url, Nothing)
    thread = threading.Thread(target=running.run)
    thread.start()
    if not running.collecting.wait(END_S):
        raise SystemExit("the collector did not subscribe")
    running.stop()
    thread.join()


def collect(url: str, database: str, rows: int, to: Any) -> None:
    """Take all that waits, in a process of its own; sends (seconds, CPU seconds)."""
    logging.disable(logging.WARNING)
    opened: list[Timed] = []

    def open_timed() -> Timed:
        opened.append(Timed(Nothing() if database == NONE else open_database(database), rows, lambda: running.stop()))
        return opened[0]

    running = collector(url, open_timed)
    cpu = time.process_time()
    running.run()
    to.send((opened[0].ended - opened[0].began, time.process_time() - cpu))


def measure(database: str, rows: int) -> dict[str, Any]:
    """Rows a second into a database, and CPU for each."""
    started = multiprocessing.get_context("spawn")
    with broker() as url:
        subscribe(url)
        here, there = started.Pipe()
        for work in (partial(publish, url, rows, int(time.time())), partial(collect, url, database, rows, there)):
            process = started.Process(target=work)
            process.start()
            process.join(END_S)
            if process.exitcode != 0:
                process.kill()
                raise SystemExit(f"{work.func.__name__} into {database} failed")
        seconds, cpu = here.recv()
    kind = database.split("://")[0] if "://" in database else NONE if database == NONE else "sqlite"
    return {"database": kind, "rows": rows, "rows_per_s": round(rows / seconds), "cpu_us_per_row": cpu / rows * 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--db", nargs="*", metavar="URL", help="default: none, and a SQLite file")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = args.rows // (BATCH * DEVICES) * BATCH * DEVICES
    with tempfile.TemporaryDirectory(prefix="edge-infer-ingest-", dir=".") as folder:
        databases = args.db or [NONE, f"{folder}/collected.db"]
        found = [measure(database, rows) for _ in range(ROUNDS) for database in databases]
    for line in found:
        if args.json:
            print(json.dumps(line))
        else:
            print(f"{line['database']:<12} {line['rows_per_s']:>8} rows/s {line['cpu_us_per_row']:>7.1f} us CPU a row")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
