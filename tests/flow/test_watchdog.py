"""The watchdog ends a process of its own that is made for that."""

import subprocess
import sys

import pytest
from waiting import DEADLINE

from edge_infer.errors import StalledError

FED = """
import threading
from edge_infer.flow.watchdog import Watchdog
watchdog = Watchdog()
watchdog.feed(1.0)
watchdog.feed(600.0)
{then}
threading.Event().wait({seconds})
print("goes on")
"""


def fed(then: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """What became of a process that feeds its watchdog for ten minutes, does something, and hangs for some seconds."""
    code = FED.format(then=then, seconds=seconds)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=False)


def test_who_is_fed_waits() -> None:
    ended = fed("", 1.5)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "goes on\n", "")


def test_a_meal_for_less_time_counts_at_once() -> None:
    ended = fed("watchdog.feed(0.1)", DEADLINE)
    assert (ended.returncode, ended.stdout) == (StalledError.exit_code, "")
    assert "Thread MainThread, most recent call last" in ended.stderr


@pytest.mark.parametrize("times", [1, 2])
def test_closed_it_watches_no_longer(times: int) -> None:
    ended = fed("watchdog.feed(1.0)\n" + "watchdog.close()\n" * times, 1.5)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "goes on\n", "")
