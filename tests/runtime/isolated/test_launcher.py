import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import until

from edge_infer.errors import DelegateError
from edge_infer.runtime.isolated.launcher import Launcher
from edge_infer.runtime.libraries import find_library


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    launcher = Launcher(find_library().name)
    yield launcher
    launcher.close()


@pytest.fixture
def forked(launcher: Launcher) -> Iterator[tuple[int, socket.socket]]:
    """A process of the launcher and our end of its channel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, Path(os.devnull).open("w") as nothing:
        pid = launcher.fork(theirs.fileno(), nothing.fileno())
        theirs.close()
        yield pid, ours


def is_over(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_ends_when_its_channel_is_closed(launcher: Launcher, forked: tuple[int, socket.socket]) -> None:
    pid, channel = forked
    channel.close()
    assert launcher.end(pid, 5.0) == "ended with exit code 0"
    assert not psutil.pid_exists(pid)


def test_a_process_that_does_not_end_is_killed(launcher: Launcher, forked: tuple[int, socket.socket]) -> None:
    assert launcher.end(forked[0]) == "killed by SIGKILL"
    assert not psutil.pid_exists(forked[0])


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_the_signal_that_killed_a_process_is_named(
    launcher: Launcher, forked: tuple[int, socket.socket], number: signal.Signals
) -> None:
    os.kill(forked[0], number)
    assert launcher.end(forked[0], 5.0) == f"killed by {number.name}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_that_are_meant_for_us_end_neither(
    launcher: Launcher, forked: tuple[int, socket.socket], number: signal.Signals
) -> None:
    for pid in (forked[0], psutil.Process(forked[0]).ppid()):
        os.kill(pid, number)
    assert launcher.end(forked[0]) == "killed by SIGKILL"


def test_processes_end_with_a_launcher_that_is_killed_and_it_says_so(
    launcher: Launcher, forked: tuple[int, socket.socket]
) -> None:
    os.kill(psutil.Process(forked[0]).ppid(), signal.SIGKILL)
    until(lambda: is_over(forked[0]))
    until(lambda: not launcher.alive)
    assert launcher.end(forked[0]) == "ended with its launcher"
    with pytest.raises(DelegateError, match="does not answer"):
        launcher.fork(0, 0)


def test_a_launcher_that_hangs_is_killed(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.runtime.isolated.launcher.ANSWER_S", 0.2)
    os.kill(launcher._process.pid, signal.SIGSTOP)
    with pytest.raises(DelegateError, match="does not answer: timed out"):
        launcher.fork(0, 0)
    assert not launcher.alive


def test_a_launcher_that_cannot_start_says_why() -> None:
    with pytest.raises(DelegateError, match="does not answer: it has ended"):
        Launcher("no_such_library")


def test_nothing_is_left_when_we_are_killed() -> None:
    program = (
        "import time\nfrom edge_infer.runtime.isolated.launcher import Launcher\n"
        f"launcher = Launcher('{find_library().name}')\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        (child,) = psutil.Process(owner.pid).children()
        owner.kill()
    until(lambda: not child.is_running())
