"""Options that several commands share."""

import argparse
from pathlib import Path
from typing import Any

from edge_infer.errors import UsageError


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="answer in JSON, for scripts")


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config."""
    parser.add_argument(
        "--config",
        "-c",
        type=Path,
        metavar="FILE",
        help="configuration file (default: ./edge-infer.yaml, then /etc/edge-infer/config.yaml)",
    )


def add_logging(parser: argparse.ArgumentParser) -> None:
    """--log-level and --log-format."""
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.add_argument("--log-format", choices=("auto", "text", "journal", "json"), default="auto")


def add_model(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """--model and what may be said about it; what is not said comes from the model."""
    parser.add_argument(
        "--model",
        "-m",
        type=Path,
        required=required,
        help="a .tflite file, a bundle folder, or a name of `models list`",
    )
    add_use(parser)


def add_use(parser: argparse.ArgumentParser) -> None:
    """Where a model is to run, and what may be said about it."""
    group = parser.add_argument_group("where it runs")
    group.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or edgetpu[:usb|:pci][:N]")
    group.add_argument("--threads", type=number, default=1, metavar="N", help="CPU threads for one inference, or auto")
    group.add_argument("--runtime", choices=("ai_edge_litert", "tflite_runtime"), help="force one of the two")
    group.add_argument("--delegate", metavar="FILE", help="Edge TPU library, if not the system's")
    add_said(parser)


def add_said(parser: argparse.ArgumentParser) -> None:
    """What may be said about a model."""
    group = parser.add_argument_group("what to say about the model (default: what its file says)")
    group.add_argument("--labels", type=Path, metavar="FILE", help="one label a line, or `id label`")
    group.add_argument(
        "--decoder", metavar="KIND", help="what the outputs are; docs/zero-configuration.md has all kinds"
    )
    group.add_argument("--min-score", type=score, metavar="S", help="only scores >= S (0..1)")
    group.add_argument("--max-results", type=positive, metavar="N", help="at most N objects")
    group.add_argument("--top-k", type=positive, metavar="N", help="at most N classes")
    group.add_argument("--activation", choices=("none", "sigmoid", "softmax"), help="what makes scores of the outputs")
    group.add_argument("--allow", type=words, metavar="A,B", help="only these classes, by label or number")
    group.add_argument("--deny", type=words, metavar="A,B", help="never these classes")
    group.add_argument("--gallery", type=Path, metavar="FILE", help="known pictures to compare embeddings with")
    group.add_argument("--match", choices=("nearest", "mean"), help="each label's nearest picture, or the mean of all")
    group.add_argument("--resize", choices=("stretch", "letterbox", "letterbox-topleft", "crop"))
    group.add_argument("--input-size", type=size, metavar="WxH", help="of the input, where the model leaves that open")
    group.add_argument("--roi", type=numbers, metavar="X0,Y0,X1,Y1", help="look only at this part, in pixels")
    group.add_argument("--mean", type=numbers, metavar="M", help="(pixel - mean) / std, one number or three")
    group.add_argument("--std", type=numbers, metavar="S")
    group.add_argument("--takes", choices=("image", "audio", "series"), help="pictures, sound, or readings of sensors")
    group.add_argument("--rate-hz", type=rate, metavar="HZ", help="samples a second that the model was trained with")
    group.add_argument("--window", type=positive, metavar="N", help="samples of a window, where that is open")
    group.add_argument("--overlap", type=float, metavar="SHARE", help="of a window that the next one shows again")
    group.add_argument("--channels", type=words, metavar="A,B", help="names of the readings, in the model's order")
    group.add_argument("--color", choices=("rgb", "bgr", "gray"), help="what the model was trained with")


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `edge_infer.load`."""
    fixed = {name: getattr(args, name) for name in ("device", "threads", "runtime", "delegate", "labels")}
    return fixed | said_options(args)


def said_options(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of `prepare` and `decode` that are said."""
    if args.roi is not None and len(args.roi) != 4:
        raise UsageError(f"--roi takes four numbers x0,y0,x1,y1, not {len(args.roi)}")
    options = {
        "kind": args.decoder,
        "min_score": args.min_score,
        "max_results": args.max_results,
        "top_k": args.top_k,
        "activation": args.activation,
        "allow": args.allow,
        "deny": args.deny,
        "gallery": args.gallery,
        "match": args.match,
        "resize": args.resize,
        "size": args.input_size,
        "roi": args.roi,
        "mean": args.mean,
        "std": args.std,
        "color": args.color,
        "input": args.takes,
        "rate_hz": args.rate_hz,
        "window": args.window,
        "overlap": args.overlap,
        "channels": args.channels,
    }
    return {name: value for name, value in options.items() if value is not None}


def number(text: str) -> int | str:
    """A whole number from 1, or `auto`."""
    return text if text == "auto" else positive(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def seconds(text: str) -> float:
    """A duration above 0."""
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is no duration in seconds")
    return value


def rate(text: str) -> float:
    """Samples a second."""
    value = float(text)
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no rate in samples a second")
    return value


def score(text: str) -> float:
    """A number in 0..1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie in 0..1")
    return value


def size(text: str) -> tuple[int, int]:
    """640x480."""
    width, height = text.lower().split("x")
    return int(width), int(height)


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between."""
    return tuple(float(part) for part in text.split(","))


def words(text: str) -> tuple[str, ...]:
    """Words with commas between."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
