"""Processes that are killed, frozen and started again."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos_run.parts import Part, PartError
from waiting import until

TALKS = "import sys, time; print('ready', flush=True); [(print(i, flush=True), time.sleep(0.01)) for i in range(10**9)]"
RESTART = 69


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Part]:
    part = Part("talker", [sys.executable, "-c", TALKS], tmp_path, ready="ready")
    yield part
    part.kill()


def ends_with(code: int, folder: Path) -> Part:
    return Part("ender", [sys.executable, "-c", f"raise SystemExit({code})"], folder, restart_on=RESTART)


def test_it_can_be_killed_and_started_again(part: Part) -> None:
    for _ in range(2):
        part.start()
        part.wait_ready()
        part.kill()
    assert [life.splitlines()[0] for life in part.lives()] == ["ready", "ready"]
    part.check()


def test_a_frozen_one_does_nothing_until_it_is_thawed(part: Part) -> None:
    part.start()
    part.wait_ready()
    part.freeze()
    until(lambda: " T" in status(part), what="the stop")
    said = part.log.stat().st_size
    part.thaw()
    until(lambda: part.log.stat().st_size > said, what="the next words")


def status(part: Part) -> str:
    assert part.pid
    return Path(f"/proc/{part.pid}/stat").read_text().rpartition(")")[2]


def test_one_that_is_stopped_may_say_goodbye(tmp_path: Path) -> None:
    says_goodbye = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("bye")
"""
    part = Part("polite", [sys.executable, "-c", says_goodbye], tmp_path, ready="ready")
    part.start()
    part.wait_ready()
    part.stop()
    assert not part.pid
    assert part.lives()[-1].endswith("bye\n")


def test_a_frozen_one_can_be_killed(part: Part) -> None:
    part.start()
    part.wait_ready()
    part.freeze()
    part.kill()
    assert not part.pid


def test_one_that_ends_by_itself_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    part = Part("ender", [sys.executable, "-c", "print('last words'); raise SystemExit(3)"], tmp_path)
    part.start()
    until(lambda: part.ended)
    with pytest.raises(PartError, match="ender ended with 3: last words"):
        part.check()


def test_one_that_gives_up_is_started_again(tmp_path: Path) -> None:
    part = ends_with(RESTART, tmp_path)
    part.start()
    until(lambda: part.ended)
    part.check()
    assert len(part.lives()) == 2
    part.kill()


def test_one_that_does_not_end_is_killed_and_told_of(part: Part) -> None:
    part.start()
    with pytest.raises(PartError, match="did not end within"):
        part.end(0.1)
    assert not part.pid
