"""`edge-infer devices`."""

import argparse
import json
from dataclasses import asdict

from edge_infer.cli.options import add_json
from edge_infer.errors import EdgeInferError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--json."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List what there is, without opening it."""
    from edge_infer.runtime.delegate import find_accelerators
    from edge_infer.runtime.libraries import KNOWN, find_library
    from edge_infer.sources.devices import list_cameras

    runtimes = []
    for name in KNOWN:
        try:
            runtimes.append(str(find_library(name)))
        except EdgeInferError:
            continue
    cameras, accelerators = list_cameras(), find_accelerators()
    if args.json:
        found = {
            "cameras": [asdict(camera) for camera in cameras],
            "accelerators": [asdict(accelerator) for accelerator in accelerators],
            "runtimes": runtimes,
        }
        print(json.dumps(found))
        return 0
    for title, things in (("cameras", cameras), ("accelerators", accelerators), ("runtimes", runtimes)):
        print(f"{title}:")
        for thing in things or ["none"]:
            print(f"  {thing}")
    return 0
