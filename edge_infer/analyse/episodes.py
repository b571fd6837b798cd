"""From what single results show to something that begins, goes on, and ends."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from edge_infer.analyse.answers import Answer, gist
from edge_infer.analyse.geometry import Box, area, overlap
from edge_infer.analyse.moments import Moment, has_passed
from edge_infer.analyse.reporter import Reporter
from edge_infer.analyse.settings import EventSettings
from edge_infer.types import Event, Prediction
from edge_infer.types.events import EventKind, Phase

# A box that overlaps less with the one of the last message has moved. Source: the overlap with which two boxes are one
# object, Pascal VOC challenge, IJCV 88, 2010, 4.2
SAME_PLACE = 0.5
NEWS = 0.01  # a best score that is told anew; less is noise of a quantised score, whose steps are 1/256

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one result shows of one thing.

    Attributes:
        level: what thresholds are compared with; None: the score
        since: when it began, where that is known better than from the row of results
        answer: what a second model says about it
    """

    label: str
    score: float
    class_id: int | None = None
    box: Box | None = None
    track_id: int | None = None
    level: float | None = None
    since: Moment | None = None
    answer: Answer | None = None

    @property
    def weight(self) -> float:
        """How good a picture of it would be: its score, times its size where it has one."""
        return self.score * (area(self.box) if self.box else 1.0)


@dataclass(slots=True)
class _Thing:
    """One that is there, or may be.

    Attributes:
        began, seen: the moments of its first and last sight
        row: results that showed it, one after the other, until it is active
        id: of its event; "" while nothing is told of it
        absent_s: when results began not to show it any more
        answer: the best that a second model has said about it; `heard`: the last one
        told: its last message; `told_s` when
    """

    sight: Sight
    began: Moment
    seen: Moment
    top_score: float
    row: int = 0
    active: bool = False
    id: str = ""
    absent_s: float | None = None
    answer: Answer | None = None
    heard: Answer | None = None
    told: Event | None = None
    told_s: float = 0.0

    def see(self, sight: Sight, moment: Moment) -> None:
        self.sight, self.seen, self.absent_s = sight, moment, None
        self.row += 1
        self.top_score = max(self.top_score, sight.score)
        if sight.answer is not None:
            self._hear(sight.answer)

    def _hear(self, answer: Answer) -> None:
        """Take it where it is the best so far. One that is kept for some frames is about the first of them."""
        if self.heard is not None and answer.said is self.heard.said:
            return
        self.heard = answer
        if answer.is_better_than(self.answer):
            self.answer = answer

    @property
    def detail(self) -> Prediction | None:
        """What an event says of it."""
        return self.answer.said if self.answer else None

    @property
    def has_changed(self) -> bool:
        """Since it was told of."""
        if self.told is None or self.told.top_score is None:
            return False
        box, old = self.sight.box, self.told.box
        moved = box is not None and old is not None and overlap(box, old) < SAME_PLACE
        if moved or self.top_score >= self.told.top_score + NEWS:
            return True
        return self.detail is not self.told.detail and gist(self.detail) != gist(self.told.detail)


class Episodes(Generic[K]):
    """Things of one kind, each under a key: what begins after enough results, and ends after enough that lack it."""

    def __init__(
        self,
        kind: EventKind,
        settings: EventSettings,
        reporter: Reporter,
        *,
        labels: Collection[str] | None = None,
        where: str = "",
        min_score: float = 0.0,
        confirm: bool = True,
    ) -> None:
        """Of things with these labels events are told; None: of all.

        `min_score`: where the settings have none; `confirm`: False where what is seen is sure already.
        """
        self._kind = kind
        self._settings = settings
        self._reporter = reporter
        self._where = where
        self._min = min_score if settings.min_score is None else settings.min_score
        self._keep = self._min if settings.keep_score is None else min(self._min, settings.keep_score)
        if not confirm:
            self._min = self._keep = 0.0
        self._row = settings.confirm if confirm else 1
        self._row_s = settings.confirm_s if confirm else 0.0
        self._labels = () if settings.kinds is not None and kind not in settings.kinds else labels
        self._things: dict[K, _Thing] = {}

    def __call__(self, moment: Moment, seen: Mapping[K, Sight], left: Collection[K] = ()) -> list[Event]:
        """What happened with a result that shows these; those that have `left` end without being waited for."""
        events: list[Event] = []
        for key, thing in list(self._things.items()):
            sight = seen.get(key)
            if sight is None or not self._passes(sight, thing):
                events += self._miss(key, thing, moment, left=key in left)
        for key, sight in seen.items():
            events += self._see(key, sight, moment)
        return events

    def end(self, moment: Moment, reason: str) -> list[Event]:
        """All that goes on ends, and no frame has shown why."""
        things, self._things = self._things, {}
        return self._ended(things.values(), moment.without_frame(), reason)

    def active(self) -> dict[K, Sight]:
        """The last sight of all that is there now, seen or waited for."""
        return {key: thing.sight for key, thing in self._things.items() if thing.active}

    def seen(self, moment: Moment) -> dict[K, Sight]:
        """Those of them that the result of this moment shows, each with the best answer about it so far."""
        there = {key: thing for key, thing in self._things.items() if thing.active and thing.seen is moment}
        return {
            key: thing.sight if thing.sight.answer is thing.answer else replace(thing.sight, answer=thing.answer)
            for key, thing in there.items()
        }

    @property
    def keys(self) -> Collection[K]:
        """Of all that is there, or may be."""
        return self._things.keys()

    def shown(self, moment: Moment) -> dict[str, float]:
        """How good a picture of each event the result of this moment would make, by the event's id."""
        things = self._things.values()
        return {thing.id: thing.sight.weight for thing in things if thing.id and thing.seen is moment}

    def _passes(self, sight: Sight, thing: _Thing | None) -> bool:
        level = sight.score if sight.level is None else sight.level
        return level >= (self._keep if thing and thing.active else self._min)

    def _tells_of(self, thing: _Thing) -> bool:
        return bool(thing.id) or self._labels is None or thing.sight.label in self._labels

    def _see(self, key: K, sight: Sight, moment: Moment) -> list[Event]:
        thing = self._things.get(key)
        if not self._passes(sight, thing):
            return []
        if thing is None:
            thing = self._things[key] = _Thing(sight, sight.since or moment, moment, sight.score)
        thing.see(sight, moment)
        if not thing.active:
            thing.active = thing.row >= self._row and has_passed(self._row_s, thing.began.at_s, moment.at_s)
        if not thing.active or not self._tells_of(thing):
            return []
        if not thing.id:
            if not self._reporter.admits(moment):
                return []
            thing.id = self._reporter.new_id(thing.began)
            return [self._tell(thing, "start", moment, counts=self._reporter.suppressed())]
        every = self._settings.update_s
        if every is not None and has_passed(every, thing.told_s, moment.at_s) and thing.has_changed:
            return [self._tell(thing, "update", moment)]
        return []

    def _miss(self, key: K, thing: _Thing, moment: Moment, *, left: bool) -> list[Event]:
        if thing.absent_s is None:
            thing.absent_s = moment.at_s
        if thing.active and not left and not has_passed(self._settings.hold_s, thing.absent_s, moment.at_s):
            return []
        del self._things[key]
        return self._ended([thing], moment, "gone")

    def _ended(self, things: Iterable[_Thing], moment: Moment, reason: str) -> list[Event]:
        told = []
        for thing in things:
            if thing.id:
                told.append(self._tell(thing, "end", moment, reason=reason))
            elif thing.active and self._tells_of(thing):
                self._reporter.leave_out()
        return told

    def _tell(
        self, thing: _Thing, phase: Phase, moment: Moment, *, reason: str = "", counts: Mapping[str, int] | None = None
    ) -> Event:
        sight = thing.sight
        thing.told_s = moment.at_s
        thing.told = Event(
            id=thing.id,
            phase=phase,
            kind=self._kind,
            label=sight.label,
            captured_at=moment.captured_at,
            captured_ns=moment.captured_ns,
            started_at=thing.began.captured_at,
            duration_s=thing.seen.at_s - thing.began.at_s,
            where=self._where,
            class_id=sight.class_id,
            frame=moment.frame,
            score=sight.score,
            top_score=thing.top_score,
            track_id=sight.track_id,
            box=sight.box,
            reason=reason,
            counts=counts or {},
            detail=thing.detail,
        )
        return thing.told
