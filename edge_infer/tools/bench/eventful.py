"""Events, as an analysis finds them in results, and when each of them was safe."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Self

from edge_infer.deliver.open_events import OpenEvents
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.types import Event, Frame, Result

EVERY = 10  # results an event. Chosen: far more than a camera brings, or the samples of a percentile would take hours
KEPT_S = 60.0  # for a transaction, or an acknowledgement
LOOK_S = 0.0005  # how often it is looked for that; a flash card takes milliseconds


class Eventful:
    """The analysis of a pipeline: with each tenth result something begins, or what has begun ends, in turn."""

    def __init__(self) -> None:
        self._results = 0
        self._open: Event | None = None
        self._published: SimpleQueue[tuple[MqttPublisher, int, Event] | None] = SimpleQueue()
        self._kept: list[tuple[int, int]] = []
        self._thread = threading.Thread(target=self._watch, name="bench:kept", daemon=True)

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, Sequence[Event]]:
        """The result, and what has happened with it."""
        self._results += 1
        if self._results % EVERY:
            return result, ()
        at, at_ns, frame_number = result.captured_at, result.captured_ns, result.number
        if self._open is None:
            name = str(self._results)
            self._open = Event(name, "start", "object", "something", at, at_ns, at, frame=frame_number, score=0.5)
            return result, (self._open,)
        begun, self._open = self._open, None
        now = replace(begun, phase="end", captured_at=at, captured_ns=at_ns, frame=frame_number, reason="gone")
        return result, (replace(now, duration_s=at - begun.started_at),)

    def end(self, reason: str) -> Sequence[Event]:
        """What goes on is left open: an event more would be none of a frame's."""
        return ()

    def publish(self, publisher: MqttPublisher, going_on: OpenEvents, event: Event, pipeline: str) -> None:
        """Publish an event as the daemon does; another thread waits until it is safe."""
        if event.phase == "start":
            going_on.begins(event, pipeline)
        seq = publisher.publish_event(event, pipeline)
        if event.phase == "end":
            going_on.ends(event, seq)
        self._published.put((publisher, seq, event))

    def kept(self) -> list[tuple[int, int]]:
        """Of each event, when its frame was captured, and when a power cut could not take it any more (monotonic, ns).

        It is on the disk then, or the broker has acknowledged it.
        """
        self._end()
        return self._kept

    def _watch(self) -> None:
        while (one := self._published.get()) is not None:
            publisher, seq, event = one
            deadline = time.monotonic() + KEPT_S
            while not (kept := publisher.is_kept(seq)) and time.monotonic() < deadline:
                time.sleep(LOOK_S)
            if kept:
                self._kept.append((event.captured_ns, time.monotonic_ns()))

    def _end(self) -> None:
        self._published.put(None)
        self._thread.join(KEPT_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()
