import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scripted import PICTURE, Harness, ScriptedModel, ScriptedSource
from waiting import DEADLINE, until

from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Event, Frame, Result, Span, Wanted

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")


class EachThird:
    """Something begins with each third frame, and ends with the next."""

    def __init__(self) -> None:
        self.open: list[Event] = []
        self.reasons: list[str] = []

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, Sequence[Event]]:
        assert (frame.number, frame.data.shape) == (result.number, PICTURE.shape)
        ended, self.open = [replace(event, phase="end", reason="gone") for event in self.open], []
        if result.number % 3 == 0:
            at, at_ns = result.captured_at, result.captured_ns
            self.open = [Event(str(result.number), "start", "object", "person", at, at_ns, at, frame=result.number)]
        return replace(result, device="analysed"), [*ended, *self.open]

    def end(self, reason: str) -> Sequence[Event]:
        self.reasons.append(reason)
        ended, self.open = [replace(event, phase="end", reason=reason) for event in self.open], []
        return ended


def test_what_happens_is_published_with_the_result_that_tells_it() -> None:
    events: list[tuple[str, Event]] = []
    analysis = EachThird()
    harness = Harness(
        ScriptedSource(range(7), live=False),
        analysis=analysis,
        publish_event=lambda event, name: events.append((name, event)),
    ).run()
    assert {result.device for result in harness.published} == {"analysed"}
    assert all("analyse" in result.timings_ms for result in harness.published)
    assert [(event.id, event.phase) for _, event in events] == [
        ("0", "start"), ("0", "end"), ("3", "start"), ("3", "end"), ("6", "start"),
    ]  # fmt: skip
    harness.pipeline.end_events("stopped")
    assert [(name, event.id, event.phase, event.reason) for name, event in events[5:]] == [
        ("door", "6", "end", "stopped")
    ]
    assert harness.pipeline.health().events == harness.pipeline.events == 6


def test_events_may_be_all_that_is_published() -> None:
    events: list[Event] = []
    harness = Harness(
        ScriptedSource(range(4), live=False),
        analysis=EachThird(),
        publish_event=lambda event, _name: events.append(event),
    )
    harness.pipeline._publish = None
    harness.pipeline.start()
    until(lambda: harness.pipeline.ended, DEADLINE)
    harness.stop()
    assert len(events) == 3
    assert harness.pipeline.results == 4
    assert harness.published == []


class Readings(BaseSource):
    """Blocks of three samples each, so long as `go_on` is not set."""

    def __init__(self, go_on: threading.Event, blocks: int) -> None:
        super().__init__("pump", live=True)
        self._go_on = go_on
        self._left = blocks
        self._at = 0

    def read(self) -> Frame:
        if not self._left:
            assert self._go_on.wait(DEADLINE)
            raise EndOfStream
        self._left -= 1
        span = Span(self._at, 3, 10.0, ("x",))
        self._at += 3
        return Frame("pump", 0, PICTURE[0, :3, :1].astype("float32"), *clocks(), span=span)

    def close(self) -> None:
        self._left = 0


class Listening(ScriptedModel):
    """A model of windows of two samples."""

    wanted = Wanted(4, 2, 10.0, 1)


def test_a_model_of_samples_is_asked_about_windows() -> None:
    seen: list[tuple[int, int]] = []
    end = threading.Event()

    def act(frame: Frame) -> None:
        assert frame.span is not None
        seen.append((frame.span.start, len(frame.data)))

    source = Readings(end, 20)
    harness = Harness(source, Listening(act))
    harness.pipeline.start()
    until(lambda: source._left == 0)
    end.set()
    until(lambda: harness.pipeline.ended, DEADLINE)
    harness.stop()
    assert seen[-1] == (56, 4)  # of a live source the newest wins
    assert all(start % 2 == 0 and length == 4 for start, length in seen)
    harness.assert_counts_add_up()
