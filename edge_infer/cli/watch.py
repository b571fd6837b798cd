"""`edge-infer watch`."""

import argparse
import json
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.cli.options import add_json, seconds

if TYPE_CHECKING:
    from edge_infer.tools.watch import Device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which broker, which device, how long."""
    add_broker(parser)
    parser.add_argument("--device", metavar="ID", help="only this one (default: all)")
    parser.add_argument("--seconds", type=seconds, metavar="S", help="end after S seconds (default: with ^C)")
    parser.add_argument("--until-offline", action="store_true", help="end when the device says goodbye")
    parser.add_argument(
        "--from-start", action="store_true", help="count from each device's first result: they start after this command"
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="write each result as a JSON line")
    parser.add_argument("--events", type=Path, metavar="FILE", help="write each event as a JSON line")
    parser.add_argument(
        "--snapshot", type=Path, metavar="FILE", help="keep the newest picture that a device sends here"
    )
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write what --json prints into this file instead")
    add_json(parser)


def add_broker(parser: argparse.ArgumentParser) -> None:
    """The broker's address and credentials."""
    parser.add_argument("--mqtt", required=True, metavar="URL", help="mqtt://host[:port] or mqtts://host[:port]")
    parser.add_argument("--username", metavar="NAME")
    parser.add_argument("--password-file", type=Path, metavar="FILE")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="authority that signed the broker's certificate")
    parser.add_argument("--root", default="edge/v1", metavar="TOPIC", help="root of all topics")


def run(args: argparse.Namespace) -> int:
    """Show a live table; or, with --json, at the end a summary, one object a device."""
    from edge_infer.cli.table import Screen, render
    from edge_infer.mqtt.broker import Broker
    from edge_infer.tools.watch import Watch

    broker = Broker(
        url=args.mqtt,
        username=args.username,
        password_file=args.password_file,
        ca_file=args.ca_file,
        root=args.root,
    )
    end = None if args.seconds is None else time.monotonic() + args.seconds
    screen = None if args.json else Screen()
    with ExitStack() as stack:
        results = stack.enter_context(args.results.open("w")) if args.results else None
        events = stack.enter_context(args.events.open("w")) if args.events else None
        files = {"results": results, "events": events, "snapshot": args.snapshot}
        watch = Watch(broker, args.device, **files, from_start=args.from_start)

        def is_over() -> bool:
            if end is not None and time.monotonic() >= end:
                return True
            states = [device.status.state for device in watch.devices.values() if device.status and device.epoch]
            return args.until_offline and bool(states) and all(state in ("offline", "lost") for state in states)

        def say_ready() -> None:
            print(f"watching {args.mqtt}", file=sys.stderr, flush=True)

        with suppress(KeyboardInterrupt):
            watch.run(is_over, say_ready, lambda: screen.show(render(watch)) if screen else None)
    if screen:
        screen.show(render(watch), last=True)
    lines = "".join(summary(name, device) + "\n" for name, device in watch.devices.items())
    if args.summary:
        args.summary.write_text(lines)
    elif args.json:
        print(lines, end="")
    return 0


def summary(name: str, device: "Device") -> str:
    """What came of one device, as JSON."""
    return json.dumps(
        {
            "device": name,
            "published": device.published,
            "received": device.received,
            "lost": device.lost,
            "evicted": device.evicted,
            "duplicates": device.ledger.duplicates,
            "events": {pipeline: happened.received for pipeline, happened in device.happened.items()},
            "fps": {pipeline: round(stream.fps, 2) for pipeline, stream in device.streams.items()},
        }
    )
