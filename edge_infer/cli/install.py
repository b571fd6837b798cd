"""`edge-infer install`."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_infer.tools.install import Target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, which daemon, and how far."""
    add_target(parser)
    parser.add_argument("--no-start", action="store_true", help="do not start it now; it starts with the system")


def add_target(parser: argparse.ArgumentParser) -> None:
    """What `uninstall` takes, too."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, with the changes to each file")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="another system, such as a mounted SD card"
    )
    parser.add_argument(
        "--instance",
        type=_instance,
        metavar="NAME",
        help="one of several daemons: edge-infer@NAME, with /etc/edge-infer/NAME.yaml",
    )


def target_of(args: argparse.Namespace) -> "Target":
    """The target that the arguments name."""
    from edge_infer.tools.install import Target

    return Target(root=args.root.resolve(), instance=args.instance, dry_run=args.dry_run)


def run(args: argparse.Namespace) -> int:
    """Install, and print each step."""
    from edge_infer.tools.install import install

    for step in install(target_of(args), start=not args.no_start):
        print(step, flush=True)
    return 0


def _instance(text: str) -> str:
    """A name that fits into its user's, edge-infer-NAME. Source: systemd.exec(5), User=: 31 characters."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}", text) or text == "config":
        raise argparse.ArgumentTypeError(f"{text} is no daemon's name: 20 letters, digits, - or _, and not `config`")
    return text
