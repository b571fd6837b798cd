"""Zones that objects are in, and lines that they cross."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from edge_infer.analyse.episodes import Episodes, Sight
from edge_infer.analyse.geometry import XY, anchor_of, area, crossings, distance, is_inside
from edge_infer.analyse.moments import Moment, has_passed
from edge_infer.analyse.reporter import Reporter
from edge_infer.analyse.settings import EventSettings, LineSettings, ZoneSettings
from edge_infer.types import Event, Size

# An object has crossed a line when its anchor is so far from it, as a part of its box's size (the root of its area);
# what a box jitters by is less. Measured: docs/events.md, "How steady boxes are".
CLEAR = 0.1


@dataclass(slots=True)
class _Stay:
    """How one object is to a zone.

    Attributes:
        turns: results in a row that say otherwise
        since: when that began, or when it came in
    """

    inside: bool = False
    turns: int = 0
    since: Moment | None = None
    turned: Moment | None = None


class Zone:
    """One zone: which of the objects are in it."""

    def __init__(self, name: str, zone: ZoneSettings, events: EventSettings, reporter: Reporter) -> None:
        self._zone = zone
        self._labels = zone.labels or events.labels
        self._stays: dict[int, _Stay] = {}
        self._episodes: Episodes[int] = Episodes(
            "zone", events, reporter, labels=self._labels, where=name, confirm=False
        )

    def __call__(self, moment: Moment, seen: Mapping[int, Sight], alive: Collection[int], size: Size) -> list[Event]:
        """What happened with a result that shows these of the objects that are `alive`."""
        polygon = scaled(self._zone.polygon, size)
        inside: dict[int, Sight] = {}
        for track, sight in seen.items():
            stay = self._stays.setdefault(track, _Stay())
            self._turn(stay, is_inside(anchor_of(sight.box or (0, 0, 0, 0), self._zone.anchor), polygon), moment)
            if stay.inside and stay.since and has_passed(self._zone.dwell_s, stay.since.at_s, moment.at_s):
                inside[track] = replace(sight, since=stay.since)
        self._stays = {track: stay for track, stay in self._stays.items() if track in alive}
        left = [track for track in self._episodes.keys if track not in self._stays or not self._stays[track].inside]
        return self._counted(self._episodes(moment, inside, left))

    def end(self, moment: Moment, reason: str) -> list[Event]:
        """Nobody looks any more."""
        self._stays.clear()
        return self._counted(self._episodes.end(moment, reason))

    def shown(self, moment: Moment) -> dict[str, float]:
        """As `Episodes.shown`."""
        return self._episodes.shown(moment)

    def _turn(self, stay: _Stay, inside: bool, moment: Moment) -> None:
        if inside == stay.inside:
            stay.turns = 0
            return
        if stay.turns == 0:
            stay.turned = moment
        stay.turns += 1
        if stay.turns >= self._zone.inertia:
            stay.inside, stay.turns, stay.since = inside, 0, stay.turned

    def _counted(self, events: list[Event]) -> list[Event]:
        """With the number of objects of each label that are inside after all of them."""
        inside = Counter(sight.label for sight in self._episodes.active().values())
        counted = {label: n for label, n in inside.items() if self._labels is None or label in self._labels}
        return [replace(event, counts={event.label: 0, **counted, **event.counts}) for event in events]


@dataclass(slots=True)
class _Way:
    """Of one object: where it was, whether it came from beyond the line's edge, and what it has crossed since."""

    at: XY
    came: bool = False
    crossed: int = 0


class Line:
    """One line: who crosses it, and how many have, in each direction, since the start."""

    def __init__(self, name: str, line: LineSettings, events: EventSettings, reporter: Reporter) -> None:
        self._name = name
        self._line = line
        self._labels = line.labels or events.labels
        self._tells = events.kinds is None or "line" in events.kinds
        self._reporter = reporter
        self._totals = dict.fromkeys(line.directions, 0)
        self._ways: dict[int, _Way] = {}

    def __call__(self, moment: Moment, seen: Mapping[int, Sight], alive: Collection[int], size: Size) -> list[Event]:
        """What happened with a result that shows these of the objects that are `alive`."""
        line = scaled(self._line.points, size)
        events: list[Event] = []
        for track, sight in seen.items():
            if self._labels is not None and sight.label not in self._labels:
                continue
            if direction := self._step(track, sight, line):
                self._totals[direction] += 1
                events += self._tell(sight, direction, moment)
        self._ways = {track: way for track, way in self._ways.items() if track in alive}
        return events

    def forget(self) -> None:
        """Nobody looks any more: who comes back comes from somewhere. The totals stay."""
        self._ways.clear()

    def _step(self, track: int, sight: Sight, line: list[XY]) -> str:
        """The direction in which it has crossed the line with this step, "" where it has not."""
        box = sight.box or (0.0, 0.0, 0.0, 0.0)
        at = anchor_of(box, self._line.anchor)
        way = self._ways.setdefault(track, _Way(at))
        if way.came:
            way.crossed += crossings(way.at, at, line)
        way.at = at
        if distance(at, line) < CLEAR * math.sqrt(area(box)):
            return ""
        way.came, crossed, way.crossed = True, way.crossed, 0
        return self._line.directions[0 if crossed > 0 else 1] if crossed else ""

    def _tell(self, sight: Sight, direction: str, moment: Moment) -> list[Event]:
        if not self._tells:
            return []
        if not self._reporter.admits(moment):
            self._reporter.leave_out()
            return []
        return [
            Event(
                id=self._reporter.new_id(moment),
                phase="end",
                kind="line",
                label=sight.label,
                captured_at=moment.captured_at,
                captured_ns=moment.captured_ns,
                started_at=moment.captured_at,
                where=self._name,
                class_id=sight.class_id,
                frame=moment.frame,
                score=sight.score,
                top_score=sight.score,
                track_id=sight.track_id,
                box=sight.box,
                direction=direction,
                counts={**self._totals, **self._reporter.suppressed()},
                detail=sight.answer.said if sight.answer else None,
            )
        ]


def scaled(points: Collection[XY], size: Size) -> list[XY]:
    """Points from 0 to 1 as pixels of a picture of this size (width, height)."""
    return [(x * size[0], y * size[1]) for x, y in points]
