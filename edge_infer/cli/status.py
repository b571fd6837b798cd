"""`edge-infer status`."""

import argparse
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.cli.options import add_config, add_json
from edge_infer.errors import EdgeInferError, StalledError, UsageError

if TYPE_CHECKING:
    from edge_infer.tools.daemons import Answer

PERIOD_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which daemon, and how often."""
    add_config(parser)
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="the daemon with this state folder (default: all that run)"
    )
    parser.add_argument("--watch", action="store_true", help="show it each second, until q or ^C")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the running daemons; 0 if all is well, 75 if one is degraded or stalled."""
    if args.watch and (args.json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise UsageError("--watch draws on a terminal: scripts ask with --json, as often as they like")
    answers, stalled = _ask(args)
    if args.watch:
        return _watch(args)
    if args.json:
        print("\n".join(answer.document.decode() for answer in answers))
    else:
        print("\n".join(_text(answers)))
    if stalled:
        raise stalled[0]
    return _code(answers)


def _ask(args: argparse.Namespace) -> "tuple[list[Answer], list[StalledError]]":
    from edge_infer.deliver.state_dir import default_state_dir
    from edge_infer.settings import find_config, load_settings
    from edge_infer.tools.daemons import daemons

    if args.config:
        device = load_settings(args.config).device
        return daemons(device.state_dir or default_state_dir(), device=device.id, state_dir=args.state_dir)
    folder = args.state_dir or default_state_dir()
    if args.state_dir is None:
        with suppress(EdgeInferError):  # a daemon runs on with the file that it read before this one was broken
            folder = load_settings(find_config(None)).device.state_dir or folder
    return daemons(folder, state_dir=args.state_dir)


def _text(answers: "list[Answer]") -> list[str]:
    from edge_infer.cli.status_screen import render

    blocks = [render(answer.status) for answer in answers]
    return [line for number, block in enumerate(blocks) for line in ([""] * bool(number) + block)]


def _code(answers: "list[Answer]") -> int:
    return 0 if all(answer.status.state == "online" for answer in answers) else StalledError.exit_code


def _watch(args: argparse.Namespace) -> int:
    from edge_infer.cli.table import Screen

    screen, code = Screen(), 0
    with suppress(KeyboardInterrupt), _keys():
        while True:
            try:
                answers, stalled = _ask(args)
                code = StalledError.exit_code if stalled else _code(answers)
                lines = _text(answers) + [str(error) for error in stalled]
            except EdgeInferError as error:
                lines, code = [str(error)], error.exit_code
            screen.show(lines)
            if select.select([sys.stdin], [], [], PERIOD_S)[0] and os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b""):
                break
    return code


@contextmanager
def _keys() -> Iterator[None]:
    """Keys are read when they are pressed, and not shown; ^C works even where whoever started us ignores it."""
    before = termios.tcgetattr(sys.stdin)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGINT, handler)
