"""`scripts/bench-instructions`: the same in each run, and one needless call of numpy shows."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench_instructions import __main__ as bench

SCRIPTS = Path(bench.__file__).resolve().parents[1]
needs_valgrind = pytest.mark.skipif(
    not shutil.which("valgrind") or not shutil.which("gcc"), reason="needs valgrind and gcc: apt install valgrind gcc"
)


def ran(*arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "bench_instructions", "--json", *arguments]
    ended = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def test_a_stage_may_take_a_twentieth_more_and_no_more() -> None:
    stored = {"face": {"decode": 1000, "publish": 1000}}
    assert bench.regressions({"face": {"decode": 1050, "publish": 500}}, stored) == []
    (line,) = bench.regressions({"face": {"decode": 1051, "publish": 1000}}, stored)
    assert line == "face: decode takes 1051 instructions a frame, +5.1% against 1000"


def test_what_is_not_stored_is_only_reported() -> None:
    counts = {"face": {"decode": 10**9}}
    assert bench.regressions(counts, {}) == []
    assert bench.regressions(counts, {"face": {"publish": 1}, "other": {"decode": 1}}) == []
    assert "nothing is stored" in bench.table("these versions", counts, {})


@pytest.mark.slow
@needs_valgrind
def test_no_stage_takes_more_instructions_than_it_did(measured: Callable[[str], None]) -> None:
    code, said = ran()
    for model, stages in said["instructions"].items():
        measured(f"instructions a frame, {model}: {stages}")
    assert (code, said["more"]) == (0, [])


@pytest.mark.slow
@needs_valgrind
def test_runs_agree_and_a_needless_call_of_numpy_shows(tmp_path: Path) -> None:
    figures = ("--models", "face-detection", "--frames", "10", "--figures", str(tmp_path / "figures.json"))
    code, first = ran(*figures, "--update")
    assert code == 0
    code, second = ran(*figures)
    assert (code, second["more"]) == (0, [])
    for stage, count in first["instructions"]["face-detection"].items():
        assert second["instructions"]["face-detection"][stage] == pytest.approx(count, rel=0.005), stage
    code, third = ran(*figures, "--extra", "4")
    assert code == 1
    assert [line.split()[1] for line in third["more"]] == ["decode"]


def test_only_the_process_that_is_counted_has_a_clock_that_stands_still() -> None:
    assert len({time.monotonic() for _ in range(10_000)}) > 1
