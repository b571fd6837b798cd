import threading
from collections.abc import Iterator

import pytest
from scripted import Harness, ScriptedModel, ScriptedSource, Step, fail, first, frame
from waiting import DEADLINE, until

from edge_infer.ahead import MOST_AHEAD
from edge_infer.errors import InputError, SourceError, UnavailableError
from edge_infer.sources.source import BaseSource
from edge_infer.types import Frame

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")


def test_every_frame_of_a_file_gets_a_result_in_order() -> None:
    harness = Harness(ScriptedSource(range(50), live=False)).run()
    assert harness.numbers == list(range(50))
    assert not harness.drops
    assert harness.pipeline.state == "ended"
    assert harness.pipeline.failure is None


def test_of_a_live_source_the_newest_frame_wins_and_results_say_what_was_dropped() -> None:
    busy, go_on, all_read = (threading.Event() for _ in range(3))

    def act(frame: Frame) -> None:
        if frame.number == 0:
            busy.set()
            assert go_on.wait(DEADLINE)

    source = ScriptedSource([0, busy, 1, 2, 3, 4, 5, all_read.set, go_on], live=True)
    harness = Harness(source, ScriptedModel(act))
    harness.pipeline.start()
    assert all_read.wait(DEADLINE)
    go_on.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    assert harness.numbers == [0, 5]
    assert [dict(result.dropped) for result in harness.published] == [{"overrun": 4}, {}]  # while 0 was looked at
    harness.assert_counts_add_up()


def test_frames_that_come_too_late_are_dropped_with_their_cause() -> None:
    answered = threading.Event()
    source = ScriptedSource([], live=True)
    harness = Harness(source, max_frame_age_s=5.0)
    source._steps = iter([frame(0, age_s=99.0), lambda: until(lambda: harness.drops["stale"]), 1, answered])
    harness.pipeline.start()
    until(lambda: harness.published)
    answered.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    assert harness.numbers == [1]
    assert harness.published[0].dropped == {"stale": 1}
    harness.assert_counts_add_up()


def test_a_silent_source_is_lost_and_runs_again_with_its_next_frame() -> None:
    speak, end = threading.Event(), threading.Event()

    def steps() -> Iterator[Step]:
        yield from (0, speak)
        while not end.is_set():
            yield from (1, lambda: end.wait(0.01))

    harness = Harness(ScriptedSource(steps(), live=True), max_frame_age_s=0.5)
    harness.pipeline.start()
    until(lambda: harness.pipeline.state == "running")
    until(lambda: harness.pipeline.state == "lost")
    assert harness.pipeline.trouble() == "no frame for 0.5 s"
    speak.set()
    until(lambda: harness.pipeline.state == "running")
    assert harness.pipeline.trouble() is None
    end.set()
    harness.stop()


def test_a_source_that_breaks_off_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    back, end = threading.Event(), threading.Event()
    broken = ScriptedSource([0, SourceError("cable pulled")], live=True)

    def wait_for_it() -> BaseSource:
        if not back.is_set():
            raise SourceError("no such camera")
        return ScriptedSource([7, end], live=True)

    harness = Harness(first(lambda: broken, wait_for_it))
    harness.pipeline.start()
    until(lambda: harness.pipeline.trouble() == "no such camera")
    assert harness.pipeline.state == "lost"
    assert broken.closed
    back.set()
    until(lambda: harness.pipeline.state == "running")
    assert harness.pipeline.trouble() is None
    until(lambda: 7 in harness.numbers)
    assert harness.pipeline.health().source_restarts >= 2
    end.set()
    harness.stop()
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("no frames") == 1
    harness.assert_counts_add_up()


def test_a_source_that_must_open_and_does_not_is_a_failure() -> None:
    harness = Harness(fail(SourceError("no camera 7")), must_open=True)
    harness.pipeline.start()
    until(lambda: harness.pipeline.failure)
    harness.stop()
    assert type(harness.pipeline.failure) is UnavailableError
    assert str(harness.pipeline.failure) == "no camera 7"


def test_a_source_that_did_open_may_break_off_even_where_it_must_open() -> None:
    harness = Harness(
        first(
            lambda: ScriptedSource([0, SourceError("cable pulled")], live=False),
            fail(SourceError("not yet")),
            lambda: ScriptedSource([1], live=False),
        ),
        must_open=True,
    ).run()
    assert harness.numbers == [0, 1]
    assert harness.pipeline.failure is None


def test_stopping_does_not_wait_for_a_source_that_hangs() -> None:
    hanging = threading.Event()
    harness = Harness(ScriptedSource([0, hanging, 1], live=True))
    harness.pipeline.start()
    until(lambda: harness.published)
    harness.pipeline.stop()
    try:
        assert not harness.pipeline.join(DEADLINE / 2)  # the script itself would fail after DEADLINE
        assert not hanging.is_set()
        assert not any(stage.alive for stage in harness.pipeline._infer)
    finally:
        hanging.set()
    until(lambda: harness.pipeline.ended)
    harness.assert_counts_add_up()
    assert harness.drops == {"stopped": 1}


def test_what_the_source_has_given_is_worked_through_when_it_is_stopped() -> None:
    busy, go_on = threading.Event(), threading.Event()

    def act(frame: Frame) -> None:
        busy.set()
        assert go_on.wait(DEADLINE)

    harness = Harness(ScriptedSource(range(1000), live=False), ScriptedModel(act))
    harness.pipeline.start()
    assert busy.wait(DEADLINE)
    until(lambda: harness.pipeline.intake.frames == MOST_AHEAD + 2)  # with the model, in the mailbox, before it
    harness.pipeline.stop()
    until(lambda: not harness.pipeline._source.alive)
    go_on.set()
    assert harness.pipeline.join(DEADLINE)
    assert harness.numbers == list(range(MOST_AHEAD + 1))
    assert harness.drops == {"stopped": 1}
    harness.assert_counts_add_up()


def test_counts_add_up_where_everything_happens_at_once() -> None:
    def act(frame: Frame) -> None:
        if frame.number % 7 == 0:
            raise InputError("roi outside")

    steps = [frame(n, age_s=99.0) if n % 5 == 0 else n for n in range(600)]
    harness = Harness(
        first(
            lambda: ScriptedSource([*steps[:300], SourceError("broke off")], live=True),
            lambda: ScriptedSource(steps[300:], live=True),
        ),
        lambda: ScriptedModel(act),
        workers=2,
        max_frame_age_s=5.0,
    ).run()
    assert harness.pipeline.intake.frames == 600
    assert sum(sum(result.dropped.values()) for result in harness.published) <= harness.drops.total()


def test_each_worker_has_a_model_of_its_own() -> None:
    both = threading.Barrier(2)
    threads: dict[int, str] = {}

    def load() -> ScriptedModel:
        def act(frame: Frame) -> None:
            both.wait(DEADLINE)
            threads[id(model)] = threading.current_thread().name

        model = ScriptedModel(act)
        return model

    harness = Harness(ScriptedSource(range(2), live=False), load, workers=2).run()
    assert sorted(threads.values()) == ["infer:door:0", "infer:door:1"]
    assert sorted(harness.numbers) == [0, 1]


def test_each_frame_is_shown_with_its_result_after_it_was_published() -> None:
    shown: list[tuple[int, int, int]] = []
    harness = Harness(
        ScriptedSource(range(3), live=False),
        show=lambda frame, result: shown.append((frame.number, result.number, len(harness.published))),
    )
    harness.run()
    assert shown == [(0, 0, 1), (1, 1, 2), (2, 2, 3)]


def test_results_and_health_tell_how_long_each_stage_took() -> None:
    harness = Harness(ScriptedSource(range(3), live=False)).run()
    assert set(harness.published[0].timings_ms) == {"wait", "infer"}
    before, health = harness.pipeline.counted(), harness.pipeline.health()
    assert (health.frames, health.results, health.errors, health.device) == (3, 3, 0, "fake")
    assert set(health.stages_ms) == {"capture", "wait", "infer", "publish", "total"}
    assert health.stages_ms["total"].count == 3
    assert health.fps_out > 0
    assert health.frame_age_s is not None
    again = harness.pipeline.health(before)
    assert (again.results, again.fps_out, again.stages_ms) == (3, 0.0, {})


@pytest.mark.parametrize(("status", "trouble"), [("ok", None), ("degraded", "no Edge TPU is plugged in")])
def test_running_on_the_cpu_is_only_trouble_where_the_accelerator_failed(
    status: str,
    trouble: str | None,
) -> None:
    end = threading.Event()
    harness = Harness(
        ScriptedSource([0, end], live=True), ScriptedModel(status=status, fallback_reason="no Edge TPU is plugged in")
    )
    harness.pipeline.start()
    until(lambda: harness.published)
    assert harness.pipeline.trouble() == trouble
    end.set()
    harness.stop()
