"""The whole chain, while everything in it is killed, frozen and cut off: `scripts/chaos`."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import REPOSITORY, environment
from waiting import until

from edge_infer.tools.local_broker import find_mosquitto

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")


def chaos(*options: str, seconds: float, timeout: float = 100.0) -> tuple[int, dict[str, Any]]:
    """The exit code and the summary."""
    scripts = REPOSITORY / "scripts"
    done = subprocess.run(
        [sys.executable, "-m", "chaos_run", "--json", "--seconds", str(seconds), *options],
        env=environment() | {"PYTHONPATH": f"{scripts}:{REPOSITORY}"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def holds(code: int, summary: dict[str, Any]) -> bool:
    return (
        code == 0
        and summary["proved"]
        and summary["missing"] == summary["early"] == summary["double"] == summary["changed"] == 0
        and summary["rows"] + sum(summary["given_up"].values()) - summary["unlogged"] == summary["results"] > 0
    )


def test_nothing_is_missing_or_double_whatever_is_killed() -> None:
    code, summary = chaos("--seed", "1", seconds=8.0)
    assert holds(code, summary), summary
    assert sum(summary["faults"].values()) >= 8


def test_trusting_the_broker_loses_results_and_that_is_noticed() -> None:
    """The control: a run that cannot fail would prove nothing."""
    code, summary = chaos("--ack", "broker", "--scenario", "queue-lost", seconds=4.0)
    assert code == 1
    assert summary["missing"] > 0
    assert summary["audit"]["missing"] > 0, "the collector's own audit sees it, too"


def test_waiting_for_the_collector_survives_what_loses_the_brokers_queue() -> None:
    code, summary = chaos("--scenario", "queue-lost", seconds=4.0)
    assert holds(code, summary), summary
    assert not summary["given_up"]


def test_collectors_that_are_killed_while_they_store_have_acknowledged_nothing_else() -> None:
    code, summary = chaos("--scenario", "collector-kills", seconds=6.0)
    assert holds(code, summary), summary
    assert summary["faults"]["kill collector"] >= 3
    assert not summary["given_up"]


def belonging_to(folder: Path) -> list[str]:
    """Command lines of the processes that name this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if str(folder) in command]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_broken_off_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    paths = f"{REPOSITORY / 'scripts'}:{REPOSITORY}"
    with subprocess.Popen(
        [sys.executable, "-m", "chaos_run"],
        env=environment() | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    ) as run:
        until(lambda: list(tmp_path.glob("*/device-*/log")), what="the first results")
        assert len(belonging_to(tmp_path)) >= 3
        run.send_signal(number)
        assert run.wait(30.0) == 128 + number
    assert not belonging_to(tmp_path)
    assert not list(tmp_path.iterdir())


def psycopg() -> None:
    pytest.importorskip("psycopg", reason="needs psycopg: pip install edge-infer[collector]")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options",
    [
        ["--seed", "2"],
        ["--seed", "3", "--durability", "strict"],
        ["--seed", "4", "--devices", "1", "--collectors", "1"],
    ],
)
def test_two_minutes_of_chaos(options: list[str]) -> None:
    code, summary = chaos(*options, seconds=120.0, timeout=500.0)
    assert holds(code, summary), summary


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_minutes_of_chaos_with_a_postgresql_that_crashes() -> None:
    psycopg()
    code, summary = chaos("--seed", "5", "--db", "postgres", seconds=120.0, timeout=500.0)
    assert holds(code, summary), summary
    assert summary["faults"]["crash database"] > 0
