"""`edge-infer check`."""

import argparse
import json
from dataclasses import asdict

from edge_infer.cli.adhoc import add_adhoc, settings_of
from edge_infer.cli.options import add_config, add_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to try."""
    add_config(parser)
    add_adhoc(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Try everything; the exit code is that of the first thing that does not work."""
    from edge_infer.tools.check import findings

    settings = settings_of(args)
    codes = []
    for finding in findings(settings):
        codes.append(finding.exit_code)
        if args.json:
            print(json.dumps(asdict(finding) | {"ok": finding.exit_code == 0}), flush=True)
        else:
            print(f"{'ok  ' if finding.exit_code == 0 else 'FAIL'}  {finding.what}: {finding.detail}", flush=True)
    return next((code for code in codes if code), 0)
