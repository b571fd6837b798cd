"""`edge-infer outbox`."""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_infer.cli.options import add_config, add_json, positive
from edge_infer.errors import UnavailableError, UsageError

SHOWN = 100  # characters of a payload in the list


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The four things that can be done with an outbox."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    found = {
        name: actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        for name, summary in (
            ("status", "how much waits on the disk, and since when"),
            ("list", "what waits, one line a record"),
            ("export", "write what waits as JSON lines; nothing is taken away"),
            ("drop", "give up all that waits; it is reported as a gap"),
        )
    }
    for action in found.values():
        add_config(action)
        action.add_argument("--state-dir", type=Path, metavar="DIR", help="where it lies (default: as configured)")
        action.add_argument("--device", metavar="ID", help="whose (default: as configured, or the only one there)")
    add_json(found["status"])
    add_json(found["list"])
    found["list"].add_argument("--limit", type=positive, metavar="N", help="at most the N oldest")
    found["export"].add_argument("--out", type=Path, metavar="FILE", help="into this file (default: stdout)")
    found["drop"].add_argument("--yes", action="store_true", help="do it; there is no way back")


def run(args: argparse.Namespace) -> int:
    """Look at the outbox of a device, whether its daemon runs or not."""
    from edge_infer.deliver.stored import find_outbox

    path = find_outbox(*_place(args))
    {"status": _status, "list": _list, "export": _export, "drop": _drop}[args.action](args, path)
    return 0


def _place(args: argparse.Namespace) -> tuple[Path, str | None]:
    from edge_infer.deliver.state_dir import default_state_dir
    from edge_infer.settings import find_config, load_settings

    if args.state_dir is not None and args.config is None:
        return args.state_dir, args.device
    try:
        device = load_settings(find_config(args.config)).device
    except UnavailableError:
        if args.config is not None:
            raise
        return default_state_dir(), args.device
    return args.state_dir or device.state_dir or default_state_dir(), args.device or device.id


def _status(args: argparse.Namespace, path: Path) -> None:
    from edge_infer.deliver.stored import status

    found = status(path)
    if args.json:
        print(json.dumps(found))
        return
    size_mb, daemon = found["file_bytes"] / 1e6, found["daemon"]
    print(f"{found['path']}: {found['results']} records wait, {size_mb:.1f} MB; daemon {daemon}")
    for kind, counted in found["kinds"].items():
        print(f"  {kind}: {counted['results']} records, {counted['bytes'] / 1e6:.2f} MB in {counted['chunks']} chunks")
    if found["oldest"]:
        since = found["oldest_written_at"]
        when = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds") if since else "at an unknown time"
        print(f"  the oldest: epoch {found['oldest'][0]}, seq {found['oldest'][1]}, made {when}")
    for gap in found["gaps_to_report"]:
        print(f"  gap to report: epoch {gap['epoch']}, {gap['first']} to {gap['last'] or 'the end'}: {gap['reason']}")
    for file in found["set_aside"]:
        print(f"  set aside, since it was damaged: {file}")


def _list(args: argparse.Namespace, path: Path) -> None:
    from itertools import islice

    from edge_infer.deliver.stored import records

    for record in islice(records(path), args.limit):
        line = _line(asdict(record))
        if args.json:
            print(line)
        else:
            text = bytes(record.payload).decode()
            shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
            print(f"{record.epoch:>6} {record.seq:>8}  {record.kind:<6}  {record.pipeline:<12}  {shown}")


def _export(args: argparse.Namespace, path: Path) -> None:
    from edge_infer.deliver.stored import records

    count = 0
    stream = args.out.open("w") if args.out else sys.stdout
    try:
        for record in records(path):
            stream.write(f"{_line(asdict(record))}\n")
            count += 1
    finally:
        if args.out:
            stream.close()
    print(f"{count} records exported", file=sys.stderr)


def _drop(args: argparse.Namespace, path: Path) -> None:
    from edge_infer.deliver.stored import drop, status

    if not args.yes:
        waiting = status(path)["results"]
        raise UsageError(f"{waiting} records in {path} would be given up for good: say --yes, or `export` them before")
    print(f"{drop(path)} records dropped; they are reported as a gap")


def _line(record: dict[str, Any]) -> str:
    import msgspec

    return msgspec.json.encode(record).decode()
