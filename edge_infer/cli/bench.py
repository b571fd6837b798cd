"""`edge-infer bench`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from edge_infer.cli.options import add_json, positive, seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models, how long."""
    parser.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help=".tflite files, bundle folders, names of `models list`"
    )
    parser.add_argument("--seconds", type=seconds, default=2.0, metavar="S", help="of each turn (default: 2)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="turns of each (default: 5)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print a table, or one JSON line."""
    from edge_infer.tools.bench import bench

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    found = bench(args.models, seconds=args.seconds, rounds=args.rounds, progress=progress)
    progress("")
    if args.json:
        print(json.dumps({"models": [asdict(speed) for speed in found]}))
        return 0
    print("640x480 frames; medians of the rounds; CPU ms of this process for each frame")
    print(f"{'model':<40} {'bare':>15} {'pipeline':>15} {'by hand':>15}   p50/p95 ms")
    for speed in found:
        pairs = (
            (speed.bare_fps, speed.bare_cpu_ms),
            (speed.pipeline_fps, speed.cpu_ms),
            (speed.loop_fps, speed.loop_cpu_ms),
        )
        columns = " ".join(f"{fps:>7.1f} /{cpu:>6.2f}" for fps, cpu in pairs)
        print(f"{speed.model[:40]:<40} {columns}   {speed.p50_ms:.2f}/{speed.p95_ms:.2f}")
    print("each column: frames per second / CPU ms")
    return 0
