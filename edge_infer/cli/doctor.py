"""`edge-infer doctor`."""

import argparse
import json
import logging
import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from edge_infer.cli.options import add_config, add_json

if TYPE_CHECKING:
    from edge_infer.tools.doctor.finding import Finding

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL", "skip": "-   "}
NAMES = 14  # characters of what was looked at
MARGIN = " " * 5
INDENT = MARGIN + " " * (NAMES + 2)
WIDEST = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which configuration, and how much to say."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("--verbose", "-v", action="store_true", help="all of what is well, and what was not looked at")


def run(args: argparse.Namespace) -> int:
    """Look at everything; the exit code is that of the first thing that fails."""
    from edge_infer.tools.doctor.diagnosis import diagnose

    logging.getLogger().addHandler(logging.NullHandler())  # what libraries log is in the findings
    started = time.monotonic()
    width = min(shutil.get_terminal_size().columns, WIDEST)
    codes, levels = [], Counter[str]()
    for finding in diagnose(args.config):
        codes.append(finding.exit_code)
        levels[finding.level] += 1
        if args.json:
            print(json.dumps(asdict(finding)), flush=True)
        else:
            for line in lines(finding, width, verbose=args.verbose):
                print(line, flush=True)
    if not args.json:
        print(f"\n{summary(levels)}, in {time.monotonic() - started:.1f} s")
    return next((code for code in codes if code), 0)


def lines(finding: "Finding", width: int, *, verbose: bool) -> Iterator[str]:
    """What a person reads: one line for what is well; what to do, for what is not; commands unbroken, to be copied."""
    head = f"{MARKS[finding.level]} {finding.what:<{NAMES}}  "
    wrapped = _wrapped(head + finding.detail, width, INDENT)
    if finding.level in ("ok", "skip") and not verbose and len(wrapped) > 1:
        wrapped = [f"{(head + finding.detail)[: width - 3]}..."]
    yield from wrapped
    if finding.fix:
        yield from _wrapped(f"{MARGIN}fix: {finding.fix}", width, f"{MARGIN}     ")
    if finding.command:
        yield f"{MARGIN}$ {finding.command}"


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def summary(levels: Counter[str]) -> str:
    """Whether this machine is well."""
    said = "not healthy" if levels["fail"] else "healthy"
    counted = [(levels["fail"], "failed"), (levels["warn"], "to look at"), (levels["skip"], "not looked at")]
    parts = [f"{levels['ok']} in order", *(f"{count} {word}" for count, word in counted if count)]
    return f"{said}: {', '.join(parts)}"
