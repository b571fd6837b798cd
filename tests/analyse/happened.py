"""Streams of results with a clock of their own, and what happens in them."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from edge_infer.analyse.happenings import Happenings
from edge_infer.analyse.settings import EventSettings, LineSettings, ZoneSettings
from edge_infer.types import Anomaly, Classes, Detections, Event, ModelId, Prediction, Result

SIZE = (100, 100)
WALL = 1_700_000_000.0


class Thing(NamedTuple):
    """A followed object: where the middle of its lower edge is, with a box 10 pixels wide and high."""

    track: int = 1
    x: float = 50.0
    y: float = 50.0
    label: str = "person"
    score: float = 0.9


def objects(*things: Thing) -> Detections:
    boxes = np.array([[t.x - 5, t.y - 10, t.x + 5, t.y] for t in things], np.float32).reshape(-1, 4)
    ids = np.array([t.track for t in things], int)
    scores = np.array([t.score for t in things], np.float32)
    return Detections(boxes, scores, np.zeros(len(things), int), tuple(t.label for t in things), track_ids=ids)


def classes(**scores: float) -> Classes:
    ranked = sorted(scores, key=lambda label: -scores[label])
    numbers = np.array([sorted(scores).index(label) for label in ranked], int)
    return Classes(numbers, np.array([scores[label] for label in ranked], np.float32), tuple(ranked))


def result(at_s: float, prediction: Prediction | None, number: int = 0, wall: float = WALL, **other: Any) -> Result:
    status = "ok" if prediction is not None else "error"
    said = {"task": "test", "model": ModelId("m", "1", "00"), "device": "cpu", "prediction": prediction}
    return Result("s", number, wall + at_s, int(at_s * 1e9), SIZE, **{**said, "status": status, **other})


class Story:
    """Results of ten a second go in, what happened is kept."""

    def __init__(
        self,
        zones: dict[str, ZoneSettings] | None = None,
        lines: dict[str, LineSettings] | None = None,
        **settings: Any,
    ) -> None:
        self.happenings = Happenings("door", EventSettings(**{"hold_s": 0.25, **settings}), zones or {}, lines or {})
        self.events: list[Event] = []
        self.frame = 0

    def see(self, prediction: Prediction | None, times: int = 1, **other: Any) -> list[Event]:
        events = []
        for _ in range(times):
            events += self.happenings(result(self.frame / 10, prediction, self.frame, **other))
            self.frame += 1
        self.events += events
        return events

    def walk(self, points: Iterable[tuple[float, float]], **thing: Any) -> list[Event]:
        return [event for x, y in points for event in self.see(objects(Thing(x=x, y=y, **thing)))]

    def end(self, reason: str = "lost") -> list[Event]:
        ends = self.happenings.end(reason)
        self.events += ends
        return ends

    @property
    def told(self) -> list[str]:
        return phases(self.events)


def phases(events: Sequence[Event]) -> list[str]:
    """Kind, phase and place of each: `object start`, `zone end yard`."""
    return [" ".join(filter(None, (event.kind, event.phase, event.where))) for event in events]


def anomaly(score: float, threshold: float = 2.0) -> Anomaly:
    return Anomaly(score, threshold)
