"""`edge-infer config`."""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The four things that can be done with a configuration."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("sample", help="print a configuration with every key explained")
    actions.add_parser("schema", help="print its JSON Schema, for editors")
    for name, summary in (
        ("check", "find every mistake in a file"),
        ("show", "print a file with all defaults filled in"),
    ):
        action = actions.add_parser(name, help=summary)
        action.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: as for `run`")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    from edge_infer import config
    from edge_infer.settings import Settings, find_config, load_settings, sample

    if args.action == "sample":
        print(sample(), end="")
    elif args.action == "schema":
        print(json.dumps(config.schema(Settings), indent=2))
    else:
        path = find_config(args.file)
        settings = load_settings(path)
        print(config.render(settings, mask=True) if args.action == "show" else f"{path} is in order\n", end="")
    return 0
