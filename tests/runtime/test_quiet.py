import os

import pytest

from edge_infer.health.process import this_process
from edge_infer.runtime.quiet import caught_stderr

THEIRS = [
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "WARNING: something",
    "ERROR: Node number 1 failed",
    "W0000 00:00:1700000000.000000      12 accelerator_registry.cc:1] no GPU",
    "Error in cpuinfo: failed to parse processor information from /proc/cpuinfo",
]


def say(line: str) -> None:
    os.write(2, f"{line}\n".encode())


def test_what_the_runtime_says_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    with caught_stderr() as lines:
        for line in THEIRS:
            say(line)
    assert lines == THEIRS
    assert capfd.readouterr().err == ""


def test_what_others_say_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with caught_stderr() as lines:
        say("Traceback (most recent call last):")
        say(THEIRS[0])
        say("a log line: INFO: of ours, größer")
    assert lines == THEIRS[:1]
    assert capfd.readouterr().err == "Traceback (most recent call last):\na log line: INFO: of ours, größer\n"


def test_stderr_is_itself_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with caught_stderr():
        pass
    say(THEIRS[0])
    assert capfd.readouterr().err == f"{THEIRS[0]}\n"


def test_an_exception_leaves_stderr_as_it_was_and_loses_nobodys_lines(capfd: pytest.CaptureFixture[str]) -> None:
    def load() -> None:
        with caught_stderr():
            say("mine")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        load()
    say("later")
    assert capfd.readouterr().err == "mine\nlater\n"


def test_no_file_descriptor_is_left_open() -> None:
    before = this_process().open_files
    for _ in range(3):
        with caught_stderr():
            say(THEIRS[0])
    assert this_process().open_files == before
