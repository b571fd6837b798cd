"""Results come in the order of their frames, whatever the models do."""

import math
import random
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scripted import Harness, ScriptedModel, ScriptedSource
from waiting import DEADLINE, until

from edge_infer import answering
from edge_infer.answering import Answer, Answering
from edge_infer.errors import ModelError
from edge_infer.flow.standstills import Standstills
from edge_infer.intake import Intake
from edge_infer.model import Model
from edge_infer.settings import SuperviseSettings
from edge_infer.types import Event, Frame, Result


class NoEvents:
    """An analysis that adds nothing, and notes what it saw."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, list[Event]]:
        self.seen.append(result.number)
        return result, []

    def end(self, reason: str) -> list[Event]:
        return []


def test_results_of_many_workers_come_in_the_order_of_their_frames() -> None:
    chance = random.Random(7)
    harness = Harness(
        ScriptedSource(range(300), live=False),
        lambda: ScriptedModel(lambda _frame: threading.Event().wait(chance.random() * 0.004)),
        workers=4,
    ).run()
    assert harness.numbers == list(range(300))


class Held:
    """Models of two workers, of which the one that gets frame 3 waits until it may go on."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self) -> ScriptedModel:
        def act(frame: Frame) -> None:
            if frame.number == 3:
                assert self.released.wait(DEADLINE)

        return ScriptedModel(act)


def held(**options: Any) -> tuple[Harness, Held]:
    models = Held()
    harness = Harness(ScriptedSource(range(100), live=False), models, workers=2, **options)
    harness.pipeline.start()
    return harness, models


def ended(harness: Harness) -> None:
    until(lambda: harness.pipeline.ended)
    harness.stop()
    harness.assert_counts_add_up()


def test_a_result_that_is_late_holds_up_the_others_for_a_moment_and_comes_then() -> None:
    harness, models = held()
    until(lambda: 99 in harness.numbers, what="what the other worker finds, to its end")
    assert 3 not in harness.numbers
    models.released.set()
    ended(harness)
    assert harness.numbers == [*range(3), *range(4, 100), 3]


def test_where_order_matters_nothing_goes_before_a_result_that_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "HOLD_S", 0.0)
    analysis = NoEvents()
    harness, models = held(analysis=analysis)
    pipeline = harness.pipeline
    until(lambda: not pipeline._answering.has_room(0.0), what="as many frames in hand as may be")
    assert analysis.seen == [0, 1, 2]
    assert pipeline.intake.taken == 3 + 2 * (2 + pipeline.intake.depth)
    models.released.set()
    ended(harness)
    assert analysis.seen == list(range(100))


def test_an_answer_that_cannot_be_decoded_is_a_result_that_says_so() -> None:
    class Broken(ScriptedModel):
        def ask(self, frame: Frame, prepared: None = None) -> Callable[..., Result]:
            def said(*_more: object, **_also: object) -> Result:
                raise ModelError("its boxes have five corners")

            return said if frame.number == 1 else super().ask(frame)

    harness = Harness(ScriptedSource(range(3), live=False), Broken()).run()
    assert [(one.status, one.error) for one in harness.published] == [
        ("ok", None),
        ("error", "its boxes have five corners"),
        ("ok", None),
    ]
    assert harness.pipeline.errors == 1


def test_what_breaks_while_results_are_handed_on_ends_the_pipeline_and_is_told() -> None:
    harness = Harness(ScriptedSource(range(50), live=False))
    harness.pipeline._publish = lambda _result, _pipeline: 1 / 0
    harness.pipeline.start()
    until(lambda: harness.pipeline.failure)
    assert isinstance(harness.pipeline.failure, ZeroDivisionError)
    harness.pipeline.supervise(Standstills(), SuperviseSettings())
    harness.pipeline.stop()
    assert harness.pipeline.join(DEADLINE)
    assert harness.pipeline.ended


def stopped_before_its_thread_runs(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives the thread that answers its first turn when the pipeline has been asked to end."""
    thread = harness.pipeline._answering._thread
    run = thread.run
    monkeypatch.setattr(thread, "run", lambda: (harness.pipeline._answering._stopping.wait(DEADLINE), run()))
    harness.pipeline.start()
    until(lambda: harness.pipeline.intake.taken)
    harness.stop()


def test_a_thread_that_begins_late_delivers_what_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness(ScriptedSource(range(5), live=False), ScriptedModel(slow))
    stopped_before_its_thread_runs(harness, monkeypatch)
    assert harness.published
    harness.assert_counts_add_up()


def test_what_breaks_at_the_end_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness(ScriptedSource(range(5), live=False), ScriptedModel(slow))
    harness.pipeline._publish = lambda _result, _pipeline: 1 / 0
    stopped_before_its_thread_runs(harness, monkeypatch)
    assert isinstance(harness.pipeline.failure, ZeroDivisionError)


@pytest.mark.parametrize(("workers", "awaited", "gives_way"), [(1, 0.0, True), (1, math.inf, False), (2, 0.0, False)])
def test_who_makes_results_gives_way_to_a_worker_whose_model_has_answered(
    workers: int, awaited: float, gives_way: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[str] = []
    clock = SimpleNamespace(
        sleep=lambda _seconds: naps.append(threading.current_thread().name),
        perf_counter=time.perf_counter,
        monotonic=time.monotonic,
    )
    monkeypatch.setattr(answering, "time", clock)
    made: list[int] = []
    one = Answering("door", Intake(60.0), workers, lambda _frame, result: made.append(result.number), strict=False)
    one.awaited = awaited
    model, frames = (
        cast(Model, ScriptedModel()),
        [Frame("cam", n, np.zeros((2, 2, 3), np.uint8), 0.0, 0) for n in range(3)],
    )
    for frame in frames:
        one.put(Answer(frame.number, frame, model, model.ask(frame), 0.0))
    one.start()
    until(lambda: made == [0, 1, 2])
    assert one.join(DEADLINE)
    one.put(Answer(3, frames[0], model, model.ask(frames[0]), 0.0), at_once=True)
    assert made[3:] == [0]
    assert naps == ["answer:door"] * (3 if gives_way else 0), "the worker itself never does"


def slow(_frame: Frame) -> None:
    """No quick model: its results are made by the other thread."""
    threading.Event().wait(0.002)
