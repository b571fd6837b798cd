"""`edge-infer demo`: the main job on this machine, in separate processes, as it would be on a device and a server."""

import argparse
import json
from pathlib import Path

from edge_infer.cli.options import add_json, seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where frames come from, and how long."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--camera", metavar="CAMERA", help="0, /dev/video0, picamera or a stream's URL")
    source.add_argument("--video", type=Path, metavar="FILE", help="a video file")
    parser.add_argument("--seconds", type=seconds, default=10.0, metavar="S", help="how long (default: 10)")
    parser.add_argument("--model", type=Path, metavar="MODEL", help="another model than the face detector that ships")
    parser.add_argument("--out", type=Path, default=Path("out/demo.jpg"), metavar="FILE", help="the annotated picture")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run it and print what came of it."""
    from edge_infer.tools.demo import Demo

    demo = Demo(
        camera=args.camera,
        video=args.video,
        model=args.model,
        seconds=args.seconds,
        picture=args.out,
        say=None if args.json else lambda text: print(text, flush=True),
    )
    summary = demo.run()
    if args.json:
        print(json.dumps(summary))
        return 0
    print()
    print(f"{summary['received']} of {summary['published']} results arrived, {summary['lost']} lost, ", end="")
    print(f"{summary['fps']} fps, 95 % of them within {summary['p95_ms']} ms of the frame's capture")
    print(f"{summary['rows']} rows in the collector's database, {summary['missing']} missing, ", end="")
    print(f"{summary['double']} double, says its audit")
    if summary["iou_mean"] is not None:
        print(f"mean overlap of the detected face with the true one: {summary['iou_mean']}")
    print(f"the last picture, as the subscriber received it: {args.out}")
    return 0
