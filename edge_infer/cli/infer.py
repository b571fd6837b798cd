"""`edge-infer infer`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_infer.cli.described import describe
from edge_infer.cli.options import add_json, add_model, model_options
from edge_infer.errors import EdgeInferError, InputError
from edge_infer.types import Array, Result

if TYPE_CHECKING:
    from edge_infer.cli.drawn import Drawn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model and pictures."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a picture, a folder, or a pattern such as '*.jpg'")
    add_model(parser, required=True)
    add_json(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="draw the answers on the pictures, into this folder; segmentation: class ids as a PNG, too",
    )


def run(args: argparse.Namespace) -> int:
    """Answer for each input; those that cannot be read do not keep the others from their answers."""
    from tqdm import tqdm

    from edge_infer.cli.drawn import Drawn
    from edge_infer.model import load
    from edge_infer.sources.images import read_image

    found = {given: _find(given) for given in args.inputs}
    drawn = Drawn(args.out, [path for paths in found.values() if isinstance(paths, list) for path in paths])
    codes = []
    with load(args.model, **model_options(args)) as model:
        for given in args.inputs:
            paths = found[given]
            if isinstance(paths, EdgeInferError):
                codes.append(_failed(args, given, paths))
                continue
            for path in tqdm(paths, desc=given, delay=2, disable=None, file=sys.stderr, leave=False):
                try:
                    picture = read_image(path)
                    model.forget()  # pictures have nothing to do with each other
                    result = model(picture)
                except EdgeInferError as error:
                    codes.append(_failed(args, str(path), error))
                    continue
                if result.status == "error":
                    codes.append(InputError.exit_code)
                _answer(args, path, result, drawn, picture)
    return next(iter(codes), 0)


def _find(given: str) -> list[Path] | EdgeInferError:
    """The pictures that an argument stands for, or why there are none."""
    from edge_infer.sources.address import VIDEO_SUFFIXES
    from edge_infer.sources.images import find_images

    try:
        if Path(given).suffix.lower() in VIDEO_SUFFIXES and Path(given).is_file():
            raise InputError(f"{given} is a video: `edge-infer batch` answers for each of its frames")
        return find_images(given)
    except EdgeInferError as error:
        return error


def _failed(args: argparse.Namespace, given: str, error: EdgeInferError) -> int:
    if args.json:
        from edge_infer.tools.batch.rows import error_row

        _print_json(error_row(given, str(error)))
    print(f"edge-infer: {error}", file=sys.stderr)
    return error.exit_code


def _answer(args: argparse.Namespace, path: Path, result: Result, drawn: "Drawn", picture: Array) -> None:
    from edge_infer.tools.batch.rows import row_of

    files = drawn.save(path, picture, result)
    if args.json:
        row = row_of(str(path), result)
        if "mask" in files:
            row["mask"]["png"] = files.pop("mask")
        _print_json(row | files)
        return
    print(f"{path}  ({result.size[0]}x{result.size[1]}, {sum(result.timings_ms.values()):.1f} ms on {result.device})")
    for line in describe(result):
        print(f"  {line}")


def _print_json(answer: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
