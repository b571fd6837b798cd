"""`edge-infer uninstall`."""

import argparse

from edge_infer.cli.install import add_target, target_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where from, which daemon, and how much."""
    add_target(parser)
    parser.add_argument("--purge", action="store_true", help="configuration and state, too; there is no way back")


def run(args: argparse.Namespace) -> int:
    """Uninstall, and print each step."""
    from edge_infer.tools.install import uninstall

    for step in uninstall(target_of(args), purge=args.purge):
        print(step, flush=True)
    return 0
