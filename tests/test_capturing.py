"""What becomes of a source whose thread hangs in a driver, or whose camera lies."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scripted import Harness, ScriptedSource, Step, first
from waiting import until

from edge_infer import capturing, pipeline
from edge_infer.errors import SourceError, StalledError
from edge_infer.flow.standstills import Standstills
from edge_infer.settings import SuperviseSettings
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Frame

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")

NEVER_ENDS = SuperviseSettings(exit_after_s=None)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((pipeline, "READ_S"), (capturing, "OPEN_S"), (capturing, "FILE_READ_S")):
        monkeypatch.setattr(module, name, 0.25)  # a busy machine stops a thread for less


def supervised(harness: Harness, condition: Callable[[], object], settings: SuperviseSettings = NEVER_ENDS) -> None:
    """Wait for something, while the supervisor looks."""

    def turn() -> object:
        harness.pipeline.supervise(Standstills(), settings)
        return condition()

    until(turn)


def living(end: threading.Event, number: int = 100) -> Iterator[Step]:
    """A camera that works."""
    while not end.is_set():
        yield from (number, lambda: end.wait(0.002))
        number += 1


def make(*steps: Callable[[], BaseSource]) -> Harness:
    return Harness(first(*steps), max_frame_age_s=0.1)


def hanging_in_open(released: threading.Event) -> Callable[[], BaseSource]:
    def open_source() -> BaseSource:
        assert released.wait(20.0)
        return ScriptedSource(range(7, 9), live=True)

    return open_source


def test_a_read_that_hangs_is_replaced_and_what_it_brings_later_is_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    hangs, end = threading.Event(), threading.Event()
    old = ScriptedSource([0, hangs, 1, 2], live=True)
    harness = make(lambda: old, lambda: ScriptedSource(living(end), live=True))
    harness.pipeline.start()
    supervised(harness, lambda: any(number >= 100 for number in harness.numbers))
    health = harness.pipeline.health()
    assert (health.source_restarts, health.state) == (1, "running")
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == [
        "a thread hangs in a driver, another one takes its place"
    ]
    hangs.set()
    until(lambda: old.closed)
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    assert not {1, 2} & set(harness.numbers)
    assert harness.numbers == sorted(set(harness.numbers))
    harness.assert_counts_add_up()


def test_the_reason_is_told_until_there_are_frames_again() -> None:
    hangs, back, end = (threading.Event() for _ in range(3))

    def gone() -> BaseSource:
        if not back.is_set():
            raise SourceError("the device is busy")
        return ScriptedSource(living(end), live=True)

    harness = make(lambda: ScriptedSource([0, hangs], live=True), gone)
    harness.pipeline.start()
    supervised(harness, lambda: harness.pipeline.state == "lost")
    supervised(harness, lambda: harness.pipeline.trouble() == "the device is busy; a thread hangs in its driver")
    back.set()
    supervised(harness, lambda: harness.pipeline.state == "running" and harness.pipeline.trouble() is None)
    hangs.set()
    end.set()
    harness.stop()


def test_what_hangs_is_named() -> None:
    hangs, end = threading.Event(), threading.Event()
    harness = make(lambda: ScriptedSource([0, hangs], live=True), hanging_in_open(end))
    harness.pipeline.start()
    supervised(harness, lambda: "reading the source of door hangs" in (harness.pipeline.trouble() or ""))
    supervised(harness, lambda: "opening the source of door hangs" in (harness.pipeline.trouble() or ""))
    hangs.set()
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()


def test_opening_that_hangs_is_replaced_and_a_camera_that_comes_of_it_later_is_closed_unread() -> None:
    released, end = threading.Event(), threading.Event()
    late = ScriptedSource([7, 8], live=True)

    def open_late() -> BaseSource:
        assert released.wait(20.0)
        return late

    harness = make(open_late, lambda: ScriptedSource(living(end), live=True))
    harness.pipeline.start()
    supervised(harness, lambda: harness.published)
    released.set()
    until(lambda: late.closed)
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    assert not {7, 8} & set(harness.numbers)
    harness.assert_counts_add_up()


def test_so_many_threads_are_left_behind_and_no_more() -> None:
    released = threading.Event()
    harness = make(hanging_in_open(released))
    harness.pipeline.start()
    restarts = capturing.MAX_HUNG
    supervised(harness, lambda: harness.pipeline.health().source_restarts == restarts)
    supervised(harness, lambda: harness.pipeline._source._hanging)
    for _ in range(20):
        harness.pipeline.supervise(Standstills(), NEVER_ENDS)
    assert harness.pipeline.health().source_restarts == restarts
    assert len([t for t in threading.enumerate() if t.name == "source:door"]) == restarts + 1
    released.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()


def test_where_replacing_does_not_help_the_process_is_to_end() -> None:
    released = threading.Event()
    harness = make(lambda: ScriptedSource([0, released], live=True), hanging_in_open(released))
    harness.pipeline.start()
    with pytest.raises(StalledError, match=r"door: the source hangs in its driver \((read|open)\) since"):
        supervised(harness, lambda: False, SuperviseSettings(exit_after_s=0.6))
    released.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()


def test_a_camera_that_is_only_unplugged_never_ends_the_process() -> None:
    hangs, end = threading.Event(), threading.Event()

    def unplugged() -> BaseSource:
        hangs.set()  # the driver lets go of who hung in it
        if end.is_set():
            return ScriptedSource([], live=True)
        raise SourceError("no such camera")

    harness = make(lambda: ScriptedSource([0, hangs], live=True), unplugged)
    harness.pipeline.start()
    never_patient = SuperviseSettings(exit_after_s=0.3)
    supervised(harness, lambda: harness.pipeline.trouble() == "no such camera")
    restarts = harness.pipeline.health().source_restarts
    supervised(harness, lambda: harness.pipeline.health().source_restarts >= restarts + 3, never_patient)
    end.set()
    harness.stop()


def test_a_source_that_leaves_out_frames_is_at_work() -> None:
    end = threading.Event()

    def steps() -> Iterator[Step]:
        yield 0
        for _ in range(60):  # within one read, as a limit on the rate does
            yield lambda: (end.wait(0.005), source.skipped.update(rate=1))
        yield 1

    source = ScriptedSource(steps(), live=True)
    harness = make(lambda: source, lambda: ScriptedSource([9], live=True))
    harness.pipeline.start()
    supervised(harness, lambda: harness.pipeline.ended)
    harness.stop()
    assert harness.pipeline.health().source_restarts == 0
    assert harness.drops["rate"] == 60


def test_a_file_that_hangs_is_reported_and_not_opened_anew() -> None:
    hangs = threading.Event()
    harness = make(lambda: ScriptedSource([0, hangs, 1], live=False), lambda: ScriptedSource([0], live=False))
    harness.pipeline.start()
    impatient = SuperviseSettings(exit_after_s=0.01)
    supervised(harness, lambda: "reading the source of door hangs" in (harness.pipeline.trouble() or ""), impatient)
    for _ in range(20):
        harness.pipeline.supervise(Standstills(), impatient)
    hangs.set()
    supervised(harness, lambda: harness.pipeline.ended, impatient)
    harness.stop()
    assert harness.numbers == [0, 1]
    assert harness.pipeline.health().source_restarts == 0


class Frozen(BaseSource):
    """A camera that gives the same picture again and again, until it is `moving`."""

    def __init__(self, opened: int, moving: threading.Event, end: threading.Event) -> None:
        super().__init__("frozen", live=True)
        self._opened = opened
        self._moving = moving
        self._end = end
        self._brightness = 0

    def read(self) -> Frame:
        if self._end.wait(0.002):
            raise EndOfStream
        self._brightness += self._moving.is_set()
        picture = np.full((16, 16, 3), self._brightness % 256, np.uint8)
        return Frame("frozen", self._opened, picture, *clocks())

    def close(self) -> None:
        pass


def test_a_frozen_camera_is_lost_and_opened_anew_until_its_picture_changes() -> None:
    moving, end = threading.Event(), threading.Event()
    opened = itertools.count(1)
    harness = Harness(lambda: Frozen(next(opened), moving, end), max_still_s=0.1)
    harness.pipeline.start()
    supervised(harness, lambda: harness.pipeline.health().source_restarts >= 2 and harness.drops["still"])
    assert "the camera of door is frozen" in (harness.pipeline.trouble() or "")
    assert harness.pipeline.state == "lost"
    assert set(harness.numbers) == {1}  # what a frozen camera shows is no result
    moving.set()
    supervised(harness, lambda: harness.pipeline.state == "running" and harness.numbers[-1] >= 3)
    assert harness.pipeline.trouble() is None
    end.set()
    harness.stop()
