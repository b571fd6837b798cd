"""Run the package on an ARM board that qemu-user stands in for: the shipped model, the way to a database, the tests.

Exit code 1 when anything of that fails, 69 when it cannot be run here.
"""

import argparse
import json
import signal
import sys
from typing import Any

from arm_run.boards import BOARDS, Board
from arm_run.emulation import PACKAGE, Emulation, check_possible
from arm_run.publish import MODEL, publish
from arm_run.suite import not_run, rooms, run_suite
from arm_run.sysroot import sysroot
from edge_infer.errors import EdgeInferError


def main() -> int:
    """The exit code."""
    board = BOARDS[sys.argv[1]]
    chosen = _arguments(board)
    for number in (signal.SIGINT, signal.SIGTERM):  # nothing is left running
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        check_possible(board)
        emulation = Emulation(board, sysroot(board, chosen.release), chosen.cpu)
        failures = [*_probe(emulation), *_publish(emulation)]
        if not chosen.quick:
            failures += _suite(emulation, chosen.tests)
    except EdgeInferError as error:
        print(f"scripts/test-{board.name}: {error}", file=sys.stderr)
        return error.exit_code
    for failure in failures:
        print(f"FAILED: {failure}")
    return int(bool(failures))


def _probe(emulation: Emulation) -> list[str]:
    done = emulation.run("python3", f"/{PACKAGE}/scripts/arm_run/probe.py", MODEL)
    if done.returncode:
        return [f"the shipped model: {done.stderr.strip()}"]
    said: dict[str, Any] = json.loads(done.stdout)
    libraries = ", ".join(f"{name} {version}" for name, version in said["libraries"].items())
    print(f"{said['machine']} as {emulation.processor}, Python {said['python']}, {said['runtime']}, {libraries}")
    print(f"one inference takes {said['p50_ms']} ms (p50): no speed claim, it is emulated")
    print(f"the shipped model's golden test: {'; '.join(said['golden_problems']) or 'passed'}")
    failures = [f"golden test: {problem}" for problem in said["golden_problems"]]
    if said["runtime"].startswith("ai_edge_litert"):  # the other one says nothing of itself
        print(f"LiteRT used XNNPACK: {'yes' if said['xnnpack'] else 'no'}")
        failures += [] if said["xnnpack"] else ["LiteRT did not use XNNPACK, as it does on a board"]
    return failures


def _publish(emulation: Emulation) -> list[str]:
    counted = publish(emulation)
    print("from the device to the database: " + ", ".join(f"{name} {count}" for name, count in counted.items()))
    right = counted["rows"] == counted["published"] == 2 * counted["kept_on_disk"]
    return [] if right and not counted["missing"] and not counted["double"] else [f"delivery: {counted}"]


def _suite(emulation: Emulation, chosen: list[str]) -> list[str]:
    print("tests: " + " ".join(chosen or rooms()), flush=True)
    outcome = run_suite(emulation, chosen or rooms())
    print(f"tests on {emulation.board.machine}: {outcome}")
    for reason, names in not_run(emulation.board).items():
        print(f"  not run, {reason}: {', '.join(names)}")
    return [f"pytest ended with exit code {outcome.exit_code}"] if outcome.exit_code else []


def _arguments(board: Board) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"scripts/test-{board.name}", description=__doc__)
    parser.add_argument("--cpu", choices=board.processors, default=board.processors[0])
    parser.add_argument("--release", choices=board.releases, default=board.releases[0], help="of Debian")
    parser.add_argument("--quick", action="store_true", help="without the tests")
    parser.add_argument("tests", nargs="*", metavar="TEST", help="only these (default: those that a board can run)")
    return parser.parse_args(sys.argv[2:])


if __name__ == "__main__":
    raise SystemExit(main())
