"""`edge-infer infer`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_infer.cli.described import describe
from edge_infer.cli.options import add_json, add_model, model_options
from edge_infer.errors import EdgeInferError, InputError, UsageError
from edge_infer.types import Array, Result

if TYPE_CHECKING:
    from edge_infer.cli.drawn import Drawn
    from edge_infer.model import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model and pictures."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a picture, a folder, or a pattern such as '*.jpg'; a recording (x.wav, x.csv) for a model of samples",
    )
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
    from edge_infer.loading import load

    with load(args.model, **model_options(args)) as model:
        if model.wanted is None:
            return _pictures(args, model)
        if args.out is not None:
            raise UsageError("--out draws on pictures, and this model takes samples: leave it out")
        return _recordings(args, model)


def _recordings(args: argparse.Namespace, model: "Model") -> int:
    from edge_infer.cli.recordings import answers, lines, row

    codes = []
    for given in args.inputs:
        try:
            recording = answers(model, given)
        except EdgeInferError as error:
            codes.append(_failed(args, given, error))
            continue
        if recording.status == "error":
            codes.append(InputError.exit_code)
        if args.json:
            _print_json(row(recording))
        else:
            print("\n".join(lines(recording)))
    return next(iter(codes), 0)


def _pictures(args: argparse.Namespace, model: "Model") -> int:
    from tqdm import tqdm

    from edge_infer.cli.drawn import Drawn
    from edge_infer.sources.images import read_image
    from edge_infer.tape.folder import is_recording

    found = {given: _find(given) for given in args.inputs}
    drawn = Drawn(args.out, [path for paths in found.values() if isinstance(paths, list) for path in paths])
    codes = []
    for given in args.inputs:
        paths = found[given]
        if is_recording(Path(given)):
            codes += _recorded(args, model, given, drawn)
            continue
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


def _recorded(args: argparse.Namespace, model: "Model", given: str, drawn: "Drawn") -> list[int]:
    """Answers for recorded inputs; each frame is named by its number."""
    from edge_infer.registry import open_source

    codes = []
    model.forget()
    try:
        with open_source(given) as source:
            for frame in source:
                result = model.predict(frame)
                if result.status == "error":
                    codes.append(InputError.exit_code)
                _answer(args, Path(given) / f"{frame.number:06}", result, drawn, frame.data)
    except EdgeInferError as error:
        codes.append(_failed(args, given, error))
    return codes


def _find(given: str) -> list[Path] | EdgeInferError:
    """The pictures that an argument stands for, or why there are none."""
    from edge_infer.sources.address import VIDEO_SUFFIXES, WAV_SUFFIXES
    from edge_infer.sources.images import find_images

    try:
        if Path(given).suffix.lower() in VIDEO_SUFFIXES and Path(given).is_file():
            raise InputError(f"{given} is a video: `edge-infer batch` answers for each of its frames")
        if Path(given).suffix.lower() in WAV_SUFFIXES and Path(given).is_file():
            raise InputError(f"{given} is sound, and the model takes pictures: see `edge-infer inspect`")
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
