"""`edge-infer run`."""

import argparse
import gc
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.cli.adhoc import add_adhoc, settings_of
from edge_infer.cli.options import add_config, add_logging, positive
from edge_infer.errors import UsageError

if TYPE_CHECKING:
    from edge_infer.keeping import InputRecording
    from edge_infer.recording import Recording
    from edge_infer.settings import Settings
    from edge_infer.showing import Showing

LOOPBACK = "127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A configuration, or one pipeline from the command line."""
    add_config(parser)
    add_adhoc(parser)
    parser.add_argument("--stdout", action="store_true", help="print each result as a JSON line, too")
    parser.add_argument(
        "--show",
        nargs="?",
        type=address,
        const=(LOOPBACK, 0),
        metavar="[HOST:]PORT",
        help="show the pictures with the answers on a page for browsers of this machine, and print its address",
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE.mkv", help="record them as a video, of several pipelines one each"
    )
    parser.add_argument(
        "--record-inputs", type=Path, metavar="DIR", help="keep what the models are shown, for `edge-infer replay`"
    )
    parser.add_argument(
        "--record-inputs-bytes",
        type=positive,
        metavar="N",
        help="of all that is in that folder; the oldest goes first (default: 2000000000)",
    )
    parser.add_argument(
        "--fail-fast", action="store_true", help="end if a source cannot be opened at first (always with --source)"
    )
    add_logging(parser)


def run(args: argparse.Namespace) -> int:
    """Run until the sources end or a signal comes."""
    with _never_garbage():
        from edge_infer import logs
        from edge_infer.daemon import Daemon
        from edge_infer.errors import StalledError
        from edge_infer.flow import stacks
        from edge_infer.flow.signals import led_by_signals
        from edge_infer.settings import find_config

        logs.configure(args.log_level, args.log_format)
        settings = settings_of(args)
    with ExitStack() as opened:
        show = [opened.enter_context(closing(each)) for each in _shown(args, settings)]
        has_sink = settings.mqtt or settings.file or settings.sinks or show
        daemon = Daemon(
            settings,
            file=find_config(args.config) if args.source is None else None,
            stdout=args.stdout or not has_sink,
            must_open=args.fail_fast or args.source is not None,
            show=show,
            keep=_kept(args, opened),
        )
        with stacks.shown_on_signals(), led_by_signals(daemon.stop, daemon.reload):
            daemon.run()
    return StalledError.exit_code if daemon.restarting else 0  # systemd starts it anew


@contextmanager
def _never_garbage() -> Iterator[None]:
    """What the block makes stays until the end, so the collector need not look at it.

    Measured on x86-64: the imports take 7 % less time, and a collection of the oldest generation, which holds up all
    threads, 1 ms instead of 18.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _shown(args: argparse.Namespace, settings: "Settings") -> "Iterator[Showing | Recording]":
    """Who else gets each frame with its result."""
    if args.record:
        from edge_infer.recording import Recording

        yield Recording(args.record, list(settings.pipelines))
    if args.show:
        from edge_infer.showing import Showing

        page = Showing(settings.pipelines, *args.show)
        print(f"edge-infer: look at {page.url}", file=sys.stderr, flush=True)
        yield page


def _kept(args: argparse.Namespace, opened: ExitStack) -> "InputRecording | None":
    """Who records what the models are shown; `opened` closes it."""
    if args.record_inputs is None:
        if args.record_inputs_bytes is not None:
            raise UsageError("--record-inputs-bytes needs --record-inputs DIR")
        return None
    from edge_infer.keeping import MAX_BYTES, InputRecording

    return opened.enter_context(closing(InputRecording(args.record_inputs, args.record_inputs_bytes or MAX_BYTES)))


def address(text: str) -> tuple[str, int]:
    """8080, 0.0.0.0:8080 or [::1]:8080; without a host it is this machine's own."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no [HOST:]PORT")
    return host.strip("[]") or LOOPBACK, int(port)
