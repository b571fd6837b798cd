"""Measures each decoder with what it needs still in the caches, and without."""

import argparse
import json
import statistics
import time
import tracemalloc
from typing import Any

import numpy as np
from tqdm import tqdm

from bench_decode.cases import Case, cases
from edge_infer.types import Array

WARM_CALLS = 10  # a round
EVICTED_BYTES = 4_000_000  # touched between calls: more than the second cache of a core, which holds code, too


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-decode")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--rounds", type=int, default=30, metavar="N")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds this")
    args = parser.parse_args()
    chosen = [case for case in cases() if args.only in case.name]
    warm: dict[str, list[float]] = {case.name: [] for case in chosen}
    cold: dict[str, list[float]] = {case.name: [] for case in chosen}
    others = np.ones(EVICTED_BYTES, np.uint8)
    for _ in tqdm(range(args.rounds), desc="rounds", unit="round", delay=2, disable=None, leave=False):
        for case in chosen:
            warm[case.name] += [timed(case) for _ in range(WARM_CALLS + 1)][1:]
            cold[case.name].append(after(others, case))
    rows: list[dict[str, Any]] = [
        {
            "case": case.name,
            "warm_us": round(statistics.median(warm[case.name]) * 1e6, 1),
            "cold_us": round(statistics.median(cold[case.name]) * 1e6, 1),
            "allocated_kb": round(allocated_bytes(case) / 1e3, 1),
        }
        for case in chosen
    ]
    if args.json:
        print(json.dumps({"decode": rows}))
        return 0
    print(f"{'case':<40} {'warm us':>9} {'cold us':>9} {'allocated kB':>13}")
    for row in rows:
        print(f"{row['case']:<40} {row['warm_us']:>9} {row['cold_us']:>9} {row['allocated_kb']:>13}")
    return 0


def timed(case: Case) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    case.decode(case.outputs, case.geometry)
    return time.perf_counter() - started


def after(others: Array, case: Case) -> float:
    """Seconds of one call after something else was in the caches; the outputs are read anew, as a copy of them is."""
    np.add(others, 1, out=others)
    fresh = [output.copy() for output in case.outputs]
    started = time.perf_counter()
    case.decode(fresh, case.geometry)
    return time.perf_counter() - started


def allocated_bytes(case: Case) -> int:
    """The most that one call holds at a time beside what it is given."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        case.decode(case.outputs, case.geometry)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    raise SystemExit(main())
