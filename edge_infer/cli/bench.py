"""`edge-infer bench`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.cli.options import positive, seconds
from edge_infer.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from edge_infer.tools.bench.record import Report

COMPARE = "compare"
WORSE = 1  # exit code of `compare --fail-above`
SCENARIOS = ("side", "single", "multi", "offline", "live", "start")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models, how long, what of it; or two reports."""
    parser.usage = (
        "edge-infer bench [options] MODEL...\n       edge-infer bench compare A.json B.json [--fail-above PCT]"
    )
    parser.epilog = "exit code 1 if a figure is worse by more than --fail-above; docs/benchmark.md tells the scenarios"
    parser.add_argument(
        "models", nargs="*", type=Path, metavar="MODEL", help=".tflite files, bundle folders, names of `models list`"
    )
    parser.add_argument(
        "--scenario",
        type=scenarios,
        default=("side",),
        metavar="A,B",
        help=f"of {', '.join(SCENARIOS)}, or all (default: side)",
    )
    parser.add_argument("--seconds", type=seconds, default=2.0, metavar="S", help="of each turn (default: 2)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="turns of each (default: 5)")
    parser.add_argument("--minutes", type=seconds, default=0.0, metavar="M", help="then so long at full load")
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="interpreters (default: 1)")
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="of each interpreter (default: 1)")
    parser.add_argument("--fps", type=seconds, default=30.0, metavar="N", help="of the live source (default: 30)")
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or edgetpu[:usb|:pci][:N]")
    parser.add_argument("--delegate", metavar="FILE", help="Edge TPU library, if not the system's")
    parser.add_argument("--picture", metavar="FILE", help="what models see (default: noise with edges)")
    parser.add_argument("--state-dir", metavar="DIR", help="where the outbox lies (default: the temporary folder)")
    parser.add_argument("--power", metavar="NAME", help="which of several power sensors")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE.json", help="the report for scripts, to stdout or to a file"
    )
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="the report as a page")
    parser.add_argument("--fail-above", type=float, metavar="PCT", help="compare: exit code 1 beyond so much worse")


def run(args: argparse.Namespace) -> int:
    """Measure, print a table, and write what was asked for; or compare."""
    if args.json not in (None, "-") and not args.json.endswith(".json"):  # `--json MODEL`
        args.models.insert(0, Path(args.json))
        args.json = "-"
    if args.models[:1] == [Path(COMPARE)]:
        return _compare(args)
    if not args.models:
        raise UsageError("give at least one MODEL, or `compare` and two reports; see `edge-infer bench --help`")
    if args.fail_above is not None:
        raise UsageError("--fail-above belongs to `edge-infer bench compare A.json B.json`")
    _check_writable(args)
    report = _measured(args)
    _write(args, report)
    return 0


def _measured(args: argparse.Namespace) -> "Report":
    from tqdm import tqdm

    from edge_infer.tools.bench.record import Settings
    from edge_infer.tools.bench.run import bench, steps

    settings = Settings(
        scenarios=args.scenario,
        **{name: getattr(args, name) for name in Settings.__struct_fields__ if name != "scenarios"},
    )
    total = steps(len(args.models), settings)
    with tqdm(total=total, delay=2, disable=None, file=sys.stderr, leave=False) as bar:

        def progress(text: str) -> None:
            bar.set_description(text)
            bar.update()

        return bench(args.models, settings, progress=progress)


def _write(args: argparse.Namespace, report: "Report") -> None:
    import msgspec

    from edge_infer.tools.bench.told import told

    line = msgspec.json.encode(report)
    if args.report:
        from edge_infer.tools.bench.page import page

        args.report.write_text(page(report))
    if args.json == "-":
        print(line.decode())
        return
    if args.json:
        Path(args.json).write_bytes(line + b"\n")
    print("\n".join(told(report)))


def _check_writable(args: argparse.Namespace) -> None:
    """Before minutes are spent."""
    for path in (args.report, Path(args.json) if args.json not in (None, "-") else None):
        if path and not path.absolute().parent.is_dir():
            raise UnavailableError(f"{path} cannot be written: there is no folder {path.absolute().parent}")


def _compare(args: argparse.Namespace) -> int:
    import msgspec

    from edge_infer.tools.bench.compare import compare, differences
    from edge_infer.tools.bench.record import read_report
    from edge_infer.tools.bench.told import compared

    if len(args.models) != 3:
        raise UsageError("compare takes two reports: `edge-infer bench compare A.json B.json`")
    try:
        first, second = (read_report(path.read_bytes(), str(path)) for path in args.models[1:])
    except OSError as error:
        raise UnavailableError(
            f"cannot read {error.filename} ({error.strerror}): give two reports of --json"
        ) from error
    found, others = compare(first, second), differences(first, second)
    if not found:
        raise UsageError("the two reports have no model and scenario in common, so there is nothing to compare")
    if args.json:
        print(json.dumps({"figures": [msgspec.to_builtins(one) for one in found], "not_the_same": others}))
    else:
        print("\n".join(compared(found, others)))
    limit = args.fail_above
    too_bad = limit is not None and any(one.verdict == "worse" and one.worse_percent > limit for one in found)
    return WORSE if too_bad else 0


def scenarios(text: str) -> tuple[str, ...]:
    """Names with commas between; `all` is each."""
    names = SCENARIOS if text == "all" else tuple(part.strip() for part in text.split(","))
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no scenario {', '.join(unknown)}; choose of {', '.join(SCENARIOS)}")
    return tuple(dict.fromkeys(names))
