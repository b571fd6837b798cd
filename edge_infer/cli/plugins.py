"""`edge-infer plugins`."""

import argparse
import json

from edge_infer.cli.options import add_json
from edge_infer.errors import UnavailableError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--json."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List what other packages bring; the exit code is 69 if one of them cannot be loaded."""
    from edge_infer.plugins import GROUPS, find, installed, package_of

    facts: list[dict[str, str | None]] = []
    for group in GROUPS:
        for name, point in installed(group).items():
            try:
                find(group, name, object)
                error = None
            except UnavailableError as broken:
                error = str(broken)
            facts.append(
                {
                    "kind": group.rpartition(".")[2].removesuffix("s"),
                    "name": name,
                    "package": package_of(point),
                    "error": error,
                }
            )
    if args.json:
        print(json.dumps({"plugins": facts}))
    else:
        for fact in facts:
            print(f"{fact['kind']:<8} {fact['name']:<20} {fact['package']}  {fact['error'] or ''}".rstrip())
        if not facts:
            print("no package brings a plug-in (docs/plugins.md)")
    return UnavailableError.exit_code if any(fact["error"] for fact in facts) else 0
