"""edge_infer beside what a user would pick instead, on the same frames and models, in turns of one run."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

from bench_peers import machine
from bench_peers.comparison import Terms, compare
from bench_peers.contenders import NAMES
from bench_peers.pictures import ring
from bench_peers.subjects import subjects
from edge_infer.cli.options import positive, seconds
from edge_infer.errors import EdgeInferError
from edge_infer.tools.local_broker import local_broker


def main() -> int:
    """Measure, and print a table for each model."""
    args = _arguments()
    try:
        return run(args)
    except EdgeInferError as error:
        print(f"scripts/bench-peers: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def run(args: argparse.Namespace) -> int:
    """All models, one after another."""
    testdata = Path(os.environ.get("EDGE_INFER_TESTDATA", "../shared/testdata"))
    frames, seen = ring(testdata / "inputs")
    print(f"frames: {seen}; {f'{args.fps:g} a second' if args.fps else 'as fast as they are taken'}", flush=True)
    found = []
    with tempfile.TemporaryDirectory(prefix="edge-infer-peers-") as folder, local_broker() as url:
        scratch = Path(folder)
        np.save(scratch / "frames.npy", frames)
        (broker,) = (child.pid for child in psutil.Process().children())
        terms = Terms(args.rounds, args.seconds, args.patience, args.only, args.fps, url, broker, scratch)
        for subject in subjects(args.models, testdata, scratch):
            found.append(compare(subject, terms))
            print(found[-1].shown(), flush=True)
        if "ultralytics" in args.only and not args.models and not any(one.subject.kind == "yolo" for one in found):
            print("\nultralytics: could not be run: there is no model of its own; scripts/compare-peers exports one")
    if args.json:
        said = {"machine": machine.described(), "frames": seen, "fps": args.fps}
        args.json.write_text(json.dumps(said | {"models": [one.as_json() for one in found]}, indent=1) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench-peers", description=__doc__)
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="turns of each (default: 5)")
    parser.add_argument("--seconds", type=seconds, default=2.0, metavar="S", help="of each turn (default: 2)")
    parser.add_argument(
        "--patience", type=float, default=5.0, metavar="S", help="for a quiet machine before each turn (default: 5)"
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=list(NAMES),
        metavar="NAME,...",
        help=f"some of: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--models",
        type=lambda text: text.split(","),
        default=[],
        metavar="MODEL,...",
        help="files, parts of names, steps",
    )
    parser.add_argument(
        "--fps", type=float, default=0.0, metavar="FPS", help="frames come as of a camera (default: whenever wanted)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured, each turn of it")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"there is no contender {name}: give some of {', '.join(NAMES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
