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
    from edge_infer.daemon import Daemon, stopped_by_signals

    logs.configure(args.log_level, args.log_format)
    settings = settings_of(args)
    has_sink = settings.mqtt or settings.file
    daemon = Daemon(settings, stdout=args.stdout or not has_sink, must_open=args.fail_fast or args.source is not None)
    with stopped_by_signals(daemon):
        daemon.run()
    return 0
