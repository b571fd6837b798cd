import threading
from collections import Counter

import pytest
from scripted import ScriptedSource, frame
from waiting import DEADLINE, until

from edge_infer.errors import SourceError
from edge_infer.flow.mailbox import Closed
from edge_infer.intake import Intake
from edge_infer.sources.pace import RateLimit
from edge_infer.sources.source import EndOfStream


def fed(source: ScriptedSource, max_age_s: float = 60.0) -> Intake:
    """An intake after the source has ended."""
    intake = Intake(max_age_s)
    intake.feed(source, threading.Event())
    intake.close()
    return intake


def rest_of(intake: Intake, timeout: float = 0.01) -> list[int]:
    """Numbers of the frames until no more will come."""
    numbers = []
    try:
        while True:
            taken = intake.take(timeout)
            if taken:
                numbers.append(taken.frame.number)
    except Closed:
        return numbers


def test_of_a_live_source_the_newest_frame_wins_and_the_others_are_counted() -> None:
    intake = fed(ScriptedSource(range(5), live=True))
    assert rest_of(intake) == [4]
    assert intake.drops == {"overrun": 4}
    assert intake.frames == 5


def test_of_a_file_every_frame_is_taken() -> None:
    intake = Intake(60.0)
    thread = threading.Thread(
        target=lambda: (intake.feed(ScriptedSource(range(30), live=False), threading.Event()), intake.close())
    )
    thread.start()
    numbers = [intake.take(DEADLINE).frame.number for _ in range(30)]
    thread.join(DEADLINE)
    assert numbers == list(range(30))
    assert intake.drops == {}


def test_a_frame_that_is_too_old_when_its_turn_comes_is_dropped() -> None:
    intake = fed(ScriptedSource([frame(0, age_s=10.0)], live=True), max_age_s=5.0)
    assert intake.take(timeout=0) is None
    assert intake.drops == {"stale": 1}


def test_a_frame_of_a_file_is_never_too_old() -> None:
    intake = fed(ScriptedSource([frame(0, age_s=10.0)], live=False), max_age_s=5.0)
    assert rest_of(intake) == [0]


def test_what_the_source_leaves_out_is_counted_once_with_its_cause() -> None:
    source = ScriptedSource([], live=False)
    source._steps = iter(
        [
            lambda: source.skipped.update(corrupt=2),
            0,
            lambda: source.skipped.update(corrupt=1, rate=1),
            EndOfStream(),
        ]
    )
    intake = fed(source)
    assert intake.drops == {"corrupt": 3, "rate": 1}
    assert intake.unreported_drops() == {"corrupt": 3, "rate": 1}


def test_what_was_left_out_before_a_failure_is_counted() -> None:
    source = ScriptedSource([], live=True)
    source._steps = iter([lambda: source.skipped.update(corrupt=1), SourceError("broke off")])
    intake = Intake(60.0)
    with pytest.raises(SourceError):
        intake.feed(source, threading.Event())
    assert intake.drops == {"corrupt": 1}


def test_a_source_that_is_opened_again_counts_from_zero() -> None:
    intake = Intake(60.0)
    for _ in range(2):
        source = ScriptedSource([0], live=True)
        source.skipped["rate"] = 3
        intake.feed(source, threading.Event())
    assert intake.drops == {"rate": 6, "overrun": 1}


def test_drops_are_reported_once() -> None:
    intake = fed(ScriptedSource(range(3), live=True))
    assert intake.unreported_drops() == {"overrun": 2}
    assert intake.unreported_drops() == {}
    assert intake.drops == {"overrun": 2}


def test_progress_is_told_of_each_frame() -> None:
    seen: Counter[str] = Counter()
    Intake(60.0).feed(ScriptedSource(range(3), live=True), threading.Event(), lambda: seen.update(["frame"]))
    assert seen["frame"] == 3


def test_a_frame_that_nobody_takes_any_more_is_counted() -> None:
    intake, stopping = Intake(60.0), threading.Event()
    thread = threading.Thread(target=intake.feed, args=(ScriptedSource(range(9), live=False), stopping))
    thread.start()
    until(lambda: intake.frames == 2)  # one waits in the mailbox, one before it
    stopping.set()
    thread.join(DEADLINE)
    assert intake.drops == {"stopped": 1}
    intake.abandon()
    assert intake.drops == {"stopped": 2}


def test_a_frame_that_comes_after_the_end_is_counted() -> None:
    intake = Intake(60.0)
    intake.close()
    intake.feed(ScriptedSource([0, 1], live=True), threading.Event())
    assert (intake.frames, intake.drops) == (1, {"stopped": 1})


def test_counts_add_up_while_frames_are_taken() -> None:
    intake = Intake(60.0)
    thread = threading.Thread(
        target=lambda: (intake.feed(ScriptedSource(range(3000), live=True), threading.Event()), intake.close())
    )
    thread.start()
    taken = rest_of(intake)
    thread.join(DEADLINE)
    assert intake.frames == 3000 == len(taken) + intake.drops.total()
    assert taken == sorted(set(taken))
    assert taken[-1] == 2999


def test_a_paused_live_source_is_read_on_and_its_frames_are_counted() -> None:
    intake = Intake(60.0)
    intake.paused = True

    def resume() -> None:
        intake.paused = False

    intake.feed(ScriptedSource([0, 1, 2, resume, 3], live=True), threading.Event())
    intake.close()
    assert rest_of(intake) == [3]
    assert intake.drops == {"paused": 3}
    assert intake.frames == 4


def test_a_paused_file_waits_and_loses_nothing() -> None:
    intake, stopping = Intake(60.0), threading.Event()
    intake.paused = True
    thread = threading.Thread(
        target=lambda: (intake.feed(ScriptedSource(range(3), live=False), stopping), intake.close()), daemon=True
    )
    thread.start()
    assert intake.take(0.05) is None
    intake.paused = False
    assert rest_of(intake, DEADLINE) == [0, 1, 2]
    thread.join(DEADLINE)
    assert not intake.drops


def test_a_paused_file_can_be_stopped() -> None:
    intake, stopping = Intake(60.0), threading.Event()
    intake.paused = True
    thread = threading.Thread(target=lambda: intake.feed(ScriptedSource(range(99), live=False), stopping), daemon=True)
    thread.start()
    until(lambda: intake.frames == 1)
    stopping.set()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    intake.abandon()
    assert intake.drops == {"stopped": 1}


def test_frames_of_a_live_source_above_the_limit_are_dropped_with_their_cause() -> None:
    intake = Intake(60.0)
    intake.limit = RateLimit(0.001)
    intake.feed(ScriptedSource(range(5), live=True), threading.Event())
    intake.close()
    assert rest_of(intake) == [0]
    assert intake.drops == {"rate": 4}


def test_the_limit_does_not_hold_for_files() -> None:
    intake = Intake(60.0)
    intake.limit = RateLimit(0.001)
    thread = threading.Thread(
        target=lambda: (intake.feed(ScriptedSource(range(5), live=False), threading.Event()), intake.close()),
        daemon=True,
    )
    thread.start()
    assert rest_of(intake, DEADLINE) == [0, 1, 2, 3, 4]
    thread.join(DEADLINE)
