"""`edge-infer infer`."""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge_infer.cli.options import add_json, add_model, model_options
from edge_infer.errors import EdgeInferError
from edge_infer.types import Array, Result

STREAM_ONLY = ("time", "mono_ns", "frame")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model and pictures."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a picture, a folder, or a pattern such as '*.jpg'")
    add_model(parser, required=True)
    add_json(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="draw the answers on the pictures, into this folder")


def run(args: argparse.Namespace) -> int:
    """Answer for each input; those that cannot be read do not keep the others from their answers."""
    from tqdm import tqdm

    from edge_infer.model import load
    from edge_infer.sources.images import find_images, read_image

    codes = []
    with load(args.model, **model_options(args)) as model:
        for given in args.inputs:
            try:
                paths = find_images(given)
            except EdgeInferError as error:
                codes.append(_failed(args, given, error))
                continue
            for path in tqdm(paths, desc=given, delay=2, disable=None, file=sys.stderr, leave=False):
                try:
                    picture = read_image(path)
                    result = model(picture)
                except EdgeInferError as error:
                    codes.append(_failed(args, str(path), error))
                    continue
                drawn = {"drawn": str(_draw(args.out, path, picture, result))} if args.out else {}
                _answer(args, path, result, drawn)
    return next(iter(codes), 0)


def _failed(args: argparse.Namespace, given: str, error: EdgeInferError) -> int:
    if args.json:
        _print_json({"input": given, "status": "error", "error": str(error)})
    print(f"edge-infer: {error}", file=sys.stderr)
    return error.exit_code


def _answer(args: argparse.Namespace, path: Path, result: Result, drawn: dict[str, str]) -> None:
    from edge_infer.wire.results import to_wire

    if args.json:  # what travels over MQTT, without what only a stream has
        said = msgspec.to_builtins(to_wire(result))
        _print_json({"input": str(path)} | {name: said[name] for name in said if name not in STREAM_ONLY} | drawn)
        return
    print(f"{path}  ({result.size[0]}x{result.size[1]}, {sum(result.timings_ms.values()):.1f} ms on {result.device})")
    for line in describe(result):
        print(f"  {line}")


def describe(result: Result) -> list[str]:
    """The prediction in lines that a person reads."""
    from edge_infer.types import Classes, Detections, Tensors

    match result.prediction:
        case Classes():
            lines = [f"{c.score:.3f}  {c.label}  (class {c.class_id})" for c in result.prediction]
        case Detections():
            lines = [f"{d.score:.3f}  {d.label}  at {', '.join(f'{v:.0f}' for v in d.box)}" for d in result.prediction]
        case Tensors():
            lines = [f"{name}  {list(value.shape)}  {value.reshape(-1)[:8]}" for name, value in result.prediction]
        case _:
            lines = []
    return lines or ["nothing found"]


def _draw(folder: Path, path: Path, picture: Array, result: Result) -> Path:
    from edge_infer.draw import draw, save

    return save(draw(picture, result), folder / f"{path.stem}.jpg")


def _print_json(answer: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
