"""`edge-infer run`."""

import argparse

from edge_infer.cli.adhoc import add_adhoc, settings_of
from edge_infer.cli.options import add_config, add_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A configuration, or one pipeline from the command line."""
    add_config(parser)
    add_adhoc(parser)
    parser.add_argument("--stdout", action="store_true", help="print each result as a JSON line, too")
    parser.add_argument(
        "--fail-fast", action="store_true", help="end if a source cannot be opened at first (always with --source)"
    )
    add_logging(parser)


def run(args: argparse.Namespace) -> int:
    """Run until the sources end or a signal comes."""
    from edge_infer import logs
    from edge_infer.daemon import Daemon
    from edge_infer.errors import StalledError
    from edge_infer.flow import stacks
    from edge_infer.flow.signals import led_by_signals
    from edge_infer.settings import find_config

    logs.configure(args.log_level, args.log_format)
    settings = settings_of(args)
    has_sink = settings.mqtt or settings.file
    daemon = Daemon(
        settings,
        file=find_config(args.config) if args.source is None else None,
        stdout=args.stdout or not has_sink,
        must_open=args.fail_fast or args.source is not None,
    )
    with stacks.shown_on_signals(), led_by_signals(daemon.stop, daemon.reload):
        daemon.run()
    return StalledError.exit_code if daemon.restarting else 0  # systemd starts it anew
