"""A pipeline with an analysis: what goes on ends, whatever becomes of the source and the model."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted import Harness, ScriptedModel, ScriptedSource, Step
from waiting import until

from edge_infer.analyse.happenings import Happenings
from edge_infer.analyse.settings import EventSettings
from edge_infer.errors import InputError, SourceError
from edge_infer.types import Detections, Event, Frame, Result

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")

SEEN = Detections(np.array([[0, 0, 4, 4]], np.float32), np.ones(1, np.float32), np.zeros(1, int), ("cat",))


class Seeing(ScriptedModel):
    """Sees a cat in each frame."""

    def predict(self, frame: Frame) -> Result:
        return replace(super().predict(frame), prediction=SEEN)


class Analysis:
    def __init__(self) -> None:
        self.ended: list[str] = []
        self._happenings = Happenings("door", EventSettings(track=False), {}, {})

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, Sequence[Event]]:
        return result, self._happenings(result)

    def end(self, reason: str) -> Sequence[Event]:
        self.ended.append(reason)
        return self._happenings.end(reason)


class Watched:
    """A pipeline whose events are kept."""

    def __init__(
        self, steps: Sequence[Step], *, live: bool, model: ScriptedModel | None = None, **options: Any
    ) -> None:
        self.analysis = Analysis()
        self.events: list[Event] = []
        self.harness = Harness(
            ScriptedSource(steps, live=live),
            model or Seeing(),
            **{
                "analysis": self.analysis,
                "publish_event": lambda event, name: self.events.append(event),
                "hold_s": 0.05,
                **options,
            },
        )
        self.pipeline = self.harness.pipeline

    @property
    def told(self) -> list[str]:
        return [" ".join(filter(None, (event.phase, event.reason))) for event in self.events]

    def becomes(self, *told: str) -> None:
        """The main loop turns until this was told."""

        def turn() -> bool:
            self.pipeline.trouble()
            return self.told == list(told)

        until(turn, what=f"{told}, found {self.told}")


def test_the_end_of_a_file_ends_what_goes_on() -> None:
    watched = Watched(range(5), live=False)
    watched.pipeline.start()
    watched.becomes("start", "end stopped")
    watched.harness.stop()
    watched.pipeline.end_events("stopped")
    assert watched.told == ["start", "end stopped"]
    assert watched.pipeline.events == watched.pipeline.health().events == 2


def test_a_lost_camera_ends_what_goes_on_once_and_all_begins_anew_with_it() -> None:
    back, end = threading.Event(), threading.Event()
    watched = Watched([0, 1, back, 2, end], live=True, max_frame_age_s=0.2)
    watched.pipeline.start()
    watched.becomes("start", "end lost")
    for _ in range(3):
        watched.pipeline.trouble()
    assert watched.analysis.ended == ["lost"]
    back.set()
    until(lambda: len(watched.events) == 3)
    assert watched.events[2].phase == "start"
    end.set()
    watched.becomes("start", "end lost", "start", "end stopped")
    watched.harness.stop()


def test_a_source_that_breaks_off_for_less_than_hold_s_ends_nothing() -> None:
    end = threading.Event()
    steps: list[Step] = [0, SourceError("cable"), 1, end]
    watched = Watched(steps, live=True, hold_s=3600.0)
    watched.pipeline.start()
    until(lambda: len(watched.harness.published) == 2)
    watched.pipeline.trouble()
    assert watched.told == ["start"]
    end.set()
    watched.becomes("start", "end stopped")
    watched.harness.stop()


def test_a_pause_ends_what_goes_on() -> None:
    end = threading.Event()
    watched = Watched([0, end], live=True)
    watched.pipeline.start()
    until(lambda: watched.harness.published)
    watched.pipeline.trouble()
    assert watched.told == ["start"]
    watched.pipeline.intake.paused = True
    watched.becomes("start", "end lost")
    end.set()
    until(lambda: watched.pipeline.ended)
    watched.harness.stop()


def test_a_model_without_answers_says_nothing_and_ends_what_goes_on_only_where_it_stays_so() -> None:
    def act(frame: Frame) -> None:
        if frame.number in (1, 2):
            raise InputError("a torn frame")

    end = threading.Event()
    watched = Watched([0, 1, 2, 3, end], live=False, model=Seeing(act))
    watched.pipeline.start()
    until(lambda: len(watched.harness.published) == 4)
    assert [result.status for result in watched.harness.published] == ["ok", "error", "error", "ok"]
    assert watched.told == ["start"]
    end.set()
    watched.becomes("start", "end stopped")
    watched.harness.stop()


def test_an_end_comes_after_what_is_being_delivered() -> None:
    """The start of an event is told before its end, though two threads tell them."""
    telling, go_on, end = (threading.Event() for _ in range(3))

    def publish_event(event: Event, _name: str) -> None:
        if event.phase == "start":
            telling.set()
            go_on.wait(20.0)
        watched.events.append(event)

    watched = Watched([0, end], live=True, publish_event=publish_event)
    watched.pipeline.start()
    assert telling.wait(20.0)
    ending = threading.Thread(target=watched.pipeline.end_events, args=("lost",))
    ending.start()
    go_on.set()
    ending.join(20.0)
    assert watched.told == ["start", "end lost"]
    end.set()
    watched.becomes("start", "end lost")
    watched.harness.stop()
