"""Rows a second into the collector's database, from messages as they come; and what the parts of that do alone.

    PYTHONPATH=scripts .venv/bin/python -m bench_delivery.database [--rows 100000] [--postgres URL] [--json]

`parse`: messages become arrivals. `insert`: rows ready made go into the database, as fast as its driver can. `store`:
what a collector does, from the message to the commit. Each commit is on the disk. SQLite files are made in the
current folder and removed; what is written to PostgreSQL stays, each time as another epoch.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from bench_delivery.ingest import BATCH, DEVICES, result
from edge_infer.collector.arrivals import Arrival, Rows
from edge_infer.collector.database import SqlDatabase, open_database
from edge_infer.collector.decode import decode
from edge_infer.collector.engine import Record
from edge_infer.wire.payloads import Envelope
from edge_infer.wire.topics import ROOT, Kind, Topics

ROUNDS = 3
TRANSACTIONS = (500, 2000)  # rows of each
EPOCHS = itertools.count(int(time.time()))


@dataclass(frozen=True)
class Rate:
    database: str
    what: str
    transaction: int  # rows
    rows_per_s: int
    cpu_us_per_row: float


def messages(rows: int) -> list[tuple[str, bytes]]:
    """(topic, payload): envelopes of a new epoch, of 50 results of 5 objects, each about 700 bytes."""
    results = [result(number) for number in range(BATCH)]
    epoch = next(EPOCHS)
    found = []
    for number in range(rows // BATCH):
        device, first_seq = f"device-{number % DEVICES}", 1 + number // DEVICES * BATCH
        envelope = Envelope(
            device=device, epoch=epoch, boot="b" * 16, first_seq=first_seq, clock="synced", results=results
        )
        found.append((Topics(device).envelopes(Kind.RESULT, "door"), msgspec.json.encode(envelope)))
    return found


def parse(sent: Sequence[tuple[str, bytes]]) -> list[Arrival]:
    return [arrival for topic, payload in sent if (arrival := decode(ROOT, topic, payload))]


def records(arrivals: Sequence[Arrival]) -> list[Record]:
    return [
        (
            rows.device,
            rows.epoch,
            rows.first_seq + i,
            1,
            rows.pipeline,
            row.time,
            row.mono_ns,
            "synced",
            time.time(),
            text,
        )
        for rows in arrivals
        if isinstance(rows, Rows)
        for i, row in enumerate(rows.rows)
        for text in [row.payload.decode()]
    ]


def insert(database: SqlDatabase, ready: Sequence[Record]) -> int:
    with database._engine.transaction() as transaction:  # noqa: SLF001
        return transaction.insert_records(ready)


def rates(rows: int, databases: Sequence[str]) -> Iterator[Rate]:
    """The best of three rounds of each: other work on the machine only makes it slower."""
    yield _best("none", "parse", rows, BATCH, lambda: [lambda m=m: len(parse([m])) * BATCH for m in messages(rows)])
    for url, size in itertools.product(databases, TRANSACTIONS):
        name = "PostgreSQL" if "://" in url else "SQLite"
        with closing(open_database(url)) as database:

            def inserts(database: SqlDatabase = database, size: int = size) -> list[Callable[[], int]]:
                made = [records(parse(part)) for part in _parts(rows, size)]
                return [lambda ready=ready: insert(database, ready) for ready in made]

            def stores(database: SqlDatabase = database, size: int = size) -> list[Callable[[], int]]:
                return [lambda part=part: database.store(parse(part), time.time()).rows for part in _parts(rows, size)]

            yield _best(name, "insert", rows, size, inserts)
            yield _best(name, "store", rows, size, stores)


def _parts(rows: int, size: int) -> list[list[tuple[str, bytes]]]:
    sent, step = messages(rows), size // BATCH
    return [sent[at : at + step] for at in range(0, len(sent), step)]


def _best(database: str, what: str, rows: int, size: int, prepare: Callable[[], list[Callable[[], int]]]) -> Rate:
    found = []
    for _ in range(ROUNDS):
        steps = prepare()
        began, cpu = time.perf_counter(), time.process_time()
        done = sum(step() for step in steps)
        found.append((time.perf_counter() - began, time.process_time() - cpu))
        if done != rows:
            raise SystemExit(f"{database} {what}: {done} rows of {rows}")
    seconds, cpu = min(found)
    return Rate(database, what, size, round(rows / seconds), round(cpu / rows * 1e6, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--postgres", metavar="URL", help="postgresql://user@host/database")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-infer-database-", dir=".") as folder:
        databases = [str(Path(folder) / "collected.db"), *([args.postgres] if args.postgres else [])]
        for rate in rates(args.rows, databases):
            print(json.dumps(asdict(rate)) if args.json else _line(rate), flush=True)


def _line(rate: Rate) -> str:
    what = f"{rate.database:<10} {rate.what:<6} {rate.transaction:>5} rows a transaction"
    return f"{what} {rate.rows_per_s:>8} rows/s {rate.cpu_us_per_row:>6.2f} us CPU a row"


if __name__ == "__main__":
    main()
