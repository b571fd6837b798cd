"""`edge-infer batch`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.cli.options import add_json, add_model, model_options, positive

if TYPE_CHECKING:
    from edge_infer.tools.batch.batch import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Inputs, model, output."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="pictures, videos, folders, or patterns such as 'in/**/*.jpg'"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="results.jsonl or results.parquet; goes on where it ended",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="processes (default: one for each core)")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="this machine, or a Ray cluster")
    parser.add_argument("--restart", action="store_true", help="delete what is in --out, and begin anew")
    add_model(parser, required=True)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do it, and say what came of it."""
    from edge_infer.errors import InputError, StalledError, UnavailableError
    from edge_infer.tools.batch.batch import run_batch
    from edge_infer.tools.batch.shard import ModelSpec

    said = model_options(args)
    options = {name: str(value.absolute()) if isinstance(value, Path) else value for name, value in said.items()}
    model = args.model.absolute() if args.model.exists() else args.model  # the name of one that was pulled
    spec = ModelSpec(str(model), options, str(Path.cwd()))
    done = run_batch(args.inputs, spec, args.out, engine=args.engine, workers=args.workers, restart=args.restart)
    print(json.dumps(asdict(done)) if args.json else describe(done))
    if not done.complete:
        print("edge-infer: stopped; the same command goes on from there", file=sys.stderr)
        return StalledError.exit_code
    for address in done.missing:
        print(f"edge-infer: there is no picture and no video at {address}", file=sys.stderr)
    if done.errors:
        return InputError.exit_code
    return UnavailableError.exit_code if done.missing else 0


def describe(done: "Summary") -> str:
    """A line that a person reads."""
    rate = f", {done.new / done.seconds:.1f}/s" if done.new else ""
    text = f"{done.out}: {done.rows} rows, {done.new} of them new in {done.seconds:.1f} s{rate}"
    if done.crashes:
        text += f"; {done.crashes} workers died and were replaced"
    if done.errors:
        first = f", the first: {done.first_error}" if done.first_error else ""
        text += f"\n{done.errors} rows have the status error{first}"
    return text
