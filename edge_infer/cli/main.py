"""`edge-infer`: finds the command, runs it, turns errors into one line and an exit code."""

import argparse
import importlib
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from edge_infer import __version__
from edge_infer.errors import EdgeInferError, UsageError
from edge_infer.logs import prefix

# Each is a module of this room with add_arguments(parser) and run(args) -> exit code, imported when it is used.
COMMANDS = {
    "demo": "see the main job: a broker, a camera, a model, a subscriber",
    "run": "run the daemon: capture, infer, publish",
    "watch": "watch the results of devices at a broker",
    "status": "how the daemon on this machine is doing",
    "infer": "what a model says about pictures and recordings",
    "batch": "many pictures and videos into one file, on all cores; goes on after a kill",
    "models": "well-known models: list them, pull them, find them",
    "inspect": "what a model file is, and how it would be used",
    "bundle": "make a bundle of a model, and hold it to its golden test",
    "check": "try configuration, models, sources and broker, without running",
    "doctor": "find what is wrong with this machine, and what to do about it",
    "plugins": "sources, decoders and sinks that other packages bring",
    "devices": "cameras and accelerators of this machine",
    "gallery": "known pictures that embeddings are compared with, and classifiers made of them",
    "replay": "recorded inputs through the same models again: does the same come out",
    "fit": "learn on the device what is normal, and tell what is not",
    "bench": "how fast a model runs, bare and in a pipeline",
    "tune": "measure which threads, workers and device are best here",
    "collector": "store what devices publish in a database, and prove that nothing is missing",
    "outbox": "what waits for delivery on this device",
    "config": "make, check and explain configuration files",
    "install": "make it a service of this system, started by systemd",
    "uninstall": "take that service away again",
    "completion": "print a completion script for a shell",
}
DEBUG = "EDGE_INFER_DEBUG"  # set: show tracebacks
EXIT_CODES = """exit codes: 0 done, 64 usage, 65 bad model or input, 69 a device, file or broker is not there,
70 a fault of ours, 75 stalled, 78 configuration"""


class Parser(argparse.ArgumentParser):
    """Raises instead of exiting with 2."""

    def error(self, message: str) -> NoReturn:
        """The command line is wrong."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def make_parser(command: str | None = None) -> Parser:
    """The parser, with the arguments of one command, or of all where it is None."""
    parser = Parser(prog="edge-infer", description="Quantised TFLite inference for edge devices.", epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"edge-infer {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        child = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if command in (None, name):
            module = importlib.import_module(f"edge_infer.cli.{name}")
            module.add_arguments(child)
            child.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    named = next((argument for argument in arguments if not argument.startswith("-")), "")
    try:
        args = make_parser(named).parse_args(arguments)
        code = args.run(args)
        sys.stdout.flush()
    except EdgeInferError as error:
        return _report(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 130  # Source: shells give 128 + SIGINT
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last boundary: a person reads a line, not a traceback
        return _report(f"a fault of ours: {type(error).__name__}: {error} ({DEBUG}=1 shows where)", 70)
    return int(code)


def entry() -> NoReturn:
    """Run the command line of this process, and end it.

    A thread that hangs in a driver makes OpenCV abort while the interpreter shuts down (seen: SIGABRT after a clean
    end with a frozen RTSP camera), so then the process ends without that.
    """
    # numpy's OpenBLAS would start a thread a core and let it spin, for matrices that are too small to share: importing
    # numpy and OpenCV takes 0.12 s of CPU instead of 0.21.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = main()
    if threading.active_count() > 1:
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _report(message: str, code: int) -> int:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exc()
    for line in message.splitlines():
        print(f"{prefix('error', sys.stderr)}edge-infer: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    entry()
