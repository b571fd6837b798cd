"""`edge-infer devices`."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING

from edge_infer.cli.options import add_json
from edge_infer.errors import EdgeInferError

if TYPE_CHECKING:
    from edge_infer.runtime.delegate import Accelerator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--json and --probe."""
    add_json(parser)
    parser.add_argument("--probe", action="store_true", help="open each accelerator once, in a process of its own")
    parser.add_argument("--delegate", metavar="FILE", help="Edge TPU library to probe with, if not the system's")


def run(args: argparse.Namespace) -> int:
    """List what there is, without opening it; with --probe, say how each accelerator answers."""
    from edge_infer.runtime.delegate import find_accelerators
    from edge_infer.sources.devices import list_cameras
    from edge_infer.sources.microphones import list_microphones
    from edge_infer.sources.sensor_devices import list_iio, list_serial
    from edge_infer.tools.doctor.accelerator import bus_of

    cameras, microphones, accelerators = list_cameras(), list_microphones(), find_accelerators()
    sensors, ports = list_iio(), list_serial()
    probed, code = _probed(accelerators, args.delegate) if args.probe else ([], 0)
    if args.json:
        found = {
            "cameras": [asdict(camera) for camera in cameras],
            "microphones": [asdict(microphone) for microphone in microphones],
            "sensors": [{"path": one.path, "name": one.name, "label": one.label} for one in sensors],
            "serial_ports": [asdict(port) for port in ports],
            "accelerators": [
                {**asdict(accelerator), "bus": bus_of(accelerator), "probe": probe}
                for accelerator, probe in zip_longest(accelerators, probed)
            ],
            "runtimes": _runtimes(),
        }
        print(json.dumps(found))
        return code
    buses = [f"{accelerator.kind}: {bus_of(accelerator)} ({accelerator.path})" for accelerator in accelerators]
    lines = [": ".join(parts) for parts in zip(buses, probed, strict=True)] if probed else buses
    there: dict[str, Sequence[object]] = {
        "cameras": cameras,
        "microphones": microphones,
        "sensors": sensors,
        "serial ports": ports,
        "accelerators": lines,
        "runtimes": _runtimes(),
    }
    for title, things in there.items():
        print(f"{title}:")
        for thing in things or ["none"]:
            print(f"  {thing}")
    return code


def _runtimes() -> list[str]:
    from edge_infer.runtime.libraries import KNOWN, find_library

    runtimes = []
    for name in KNOWN:
        try:
            runtimes.append(str(find_library(name)))
        except EdgeInferError:
            continue
    return runtimes


def _probed(accelerators: "list[Accelerator]", library: str | None) -> tuple[list[str], int]:
    """What came of opening each, and the exit code of the first that failed."""
    from edge_infer.tools.doctor.accelerator import probe

    findings = [probe(accelerators, accelerator, library) for accelerator in accelerators]
    return [finding.detail for finding in findings], next((f.exit_code for f in findings if f.exit_code), 0)
