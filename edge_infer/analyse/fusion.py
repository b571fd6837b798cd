"""One event made of several: a person in the yard and breaking glass in the microphone.

Everything is reckoned on the monotonic clock of what was captured, so that it does not matter which pipeline is slower
and whose events arrive first. Nor does it matter how often it is asked what time has brought: what it says follows from
the messages and from when each arrived, and from nothing else, so that it can be replayed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge_infer.analyse.fusion_settings import ANY, FusionSettings, Reference
from edge_infer.types import Event
from edge_infer.types.events import Phase

NS = 1_000_000_000
LATE_NS = 30 * NS  # events that arrive later than so long after they ended, and within_s, count no more
MOST = 200  # events that are remembered for one reference: more than 6 a second for 30 s


@dataclass(slots=True, eq=False)
class _Part:
    """An event of a pipeline; `end_ns` None: it goes on."""

    event: Event
    start_ns: int
    end_ns: int | None = None

    def is_at(self, ns: int, within_ns: int) -> bool:
        """True at a moment while it goes on, and for a while after."""
        return self.start_ns <= ns and (self.end_ns is None or ns <= self.end_ns + within_ns)

    def is_after(self, ns: int) -> bool:
        """True where it goes on after a moment, or begins then."""
        return self.end_ns is None or self.end_ns > ns


class _Heard:
    """The events that one reference means."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self.parts: list[_Part] = []

    def __call__(self, event: Event, pipeline: str, start_ns: int) -> list[int]:
        """Take the message, if it is about one of them; the moments from which on it makes a difference."""
        if not self._means(event, pipeline):
            return []
        changed = []
        part = next((part for part in self.parts if part.event.id == event.id), None)
        if part is None:
            part = _Part(event, start_ns)
            self.parts = [*self.parts, part][-MOST:]
            changed.append(start_ns)
        if event.phase == "end":
            part.end_ns = max(part.start_ns, round(part.start_ns + event.duration_s * NS))
            changed.append(part.end_ns)
        if part.event.phase != "end":  # a start that comes after its end says nothing new
            part.event = event
        return changed

    def forget(self, before_ns: int) -> None:
        """What ended before a moment matters no more."""
        self.parts = [part for part in self.parts if part.end_ns is None or part.end_ns >= before_ns]

    def is_there(self, ns: int, within_ns: int) -> bool:
        """True where there is one at a moment."""
        return any(part.is_at(ns, within_ns) for part in reversed(self.parts))

    def at(self, ns: int, within_ns: int) -> list[_Part]:
        """Those of a moment, by their start."""
        return sorted((part for part in self.parts if part.is_at(ns, within_ns)), key=lambda part: part.start_ns)

    def _means(self, event: Event, pipeline: str) -> bool:
        wanted = self._reference
        kind = event.kind if event.kind in ("zone", "line") else ""
        return (
            (pipeline, kind, event.where) == (wanted.pipeline, wanted.kind, wanted.where)
            and wanted.label in (event.label, ANY)
            and wanted.direction in (event.direction, "")
        )


class Fusion:
    """Takes the messages about events and says what they amount to; `now_ns` (monotonic) never goes back."""

    def __init__(self, name: str, settings: FusionSettings) -> None:
        self.name = name
        self._within_ns = round(settings.within_s * NS)
        self._hold_ns = round(settings.hold_s * NS)
        self._in_order = settings.in_order
        self._all, self._any, self._none = (
            [_Heard(Reference.of(text)) for text in names]
            for names in (settings.all_of, settings.any_of, settings.none_of)
        )
        self._over_ns = -1  # the last one ended then: what came before is told
        self._start_ns = 0
        self._told: Event | None = None  # the last message about the one that goes on
        self._whole_ns = 0  # it was whole then, and whether it was before cannot change any more
        self._looked_ns = -1  # until then, all that has begun or joined it is told, unless a message says more
        self._known_ns = -1  # all is remembered that was there then or later, and when the last message came
        self._number = 0

    def __call__(self, event: Event, pipeline: str, now_ns: int) -> list[Event]:
        """What happens until now, and then with a message about an event of a pipeline."""
        before = self.turn(now_ns)
        start_ns = event.captured_ns - round(event.duration_s * NS)
        every = (*self._all, *self._any, *self._none)
        changed = [ns for heard in every for ns in heard(event, pipeline, start_ns)]
        if not changed:
            return before
        self._forget(now_ns)
        self._known_ns = now_ns - self._hold_ns - LATE_NS
        self._looked_ns = max(self._known_ns, min(self._looked_ns + 1, *changed)) - 1
        return before + self.turn(now_ns)

    def turn(self, now_ns: int) -> list[Event]:
        """What happens because time goes on."""
        events: list[Event] = []
        while happened := self._go_on(now_ns) if self._told else self._begin(now_ns):
            events += happened
        self._forget(now_ns)
        return events

    def end(self, reason: str, now_ns: int) -> list[Event]:
        """What happens until now, and the end of the one that goes on then: it lasted as long as it was whole."""
        events = self.turn(now_ns)
        return events if self._told is None else [*events, self._ended(reason, self._together_until(now_ns))]

    def _forget(self, now_ns: int) -> None:
        for heard in (*self._all, *self._any, *self._none):
            heard.forget(now_ns - self._within_ns - self._hold_ns - LATE_NS)

    def _ended(self, reason: str, until_ns: int) -> Event:
        assert self._told is not None  # noqa: S101 - one goes on
        ended = replace(self._message(self._told, "end", until_ns), reason=reason)
        self._told, self._over_ns = None, until_ns
        return ended

    def _begin(self, now_ns: int) -> list[Event]:
        """Of the moments at which it may begin, the first at which all of it is there."""
        until_ns = now_ns - (self._within_ns if self._none else 0)
        since_ns = max(self._over_ns, self._looked_ns)
        first_ns = max(self._over_ns + 1, self._known_ns)  # of what was there before, and is known only now
        for ns in sorted(ns for ns in self._moments() | {first_ns} if since_ns < ns <= until_ns):
            parts = self._parts(ns)
            if parts and not self._is_ruled_out(ns):
                return self._told_start(parts, ns)
        self._looked_ns = max(self._looked_ns, until_ns)
        return []

    def _told_start(self, parts: Sequence[_Part], ns: int) -> list[Event]:
        last = max(parts, key=lambda part: part.start_ns)
        began_at = last.event.started_at + (ns - last.start_ns) / NS
        self._number += 1
        self._start_ns = self._whole_ns = self._looked_ns = ns
        self._told = Event(
            id=f"{began_at:.6f}-{self.name}-{self._number}",
            phase="start",
            kind="fusion",
            label=self.name,
            captured_at=began_at,
            captured_ns=ns,
            started_at=began_at,
            events=_ids(parts),
        )
        return [self._told]

    def _go_on(self, now_ns: int) -> list[Event]:
        """An update for each moment at which something joined it, its end where they are no longer together."""
        until_ns = self._together_until(now_ns)
        first_ns = max(self._start_ns, self._known_ns)
        moments = [ns for ns in self._moments() | {first_ns} if max(first_ns, self._looked_ns + 1) <= ns <= until_ns]
        events = [event for ns in sorted(moments) for event in self._joined(ns)]
        self._looked_ns = until_ns
        if until_ns < now_ns - self._hold_ns:
            events.append(self._ended(self._reason(until_ns), until_ns))
        return events

    def _joined(self, ns: int) -> list[Event]:
        """An update where something is with it at a moment that was not; never before the last message."""
        assert self._told is not None  # noqa: S101 - one goes on
        events = tuple(dict.fromkeys((*self._told.events, *_ids(self._parts(ns)))))
        if events == self._told.events or not self._is_whole(ns):
            return []
        at_ns = max(ns, self._told.captured_ns)
        self._told = replace(self._message(self._told, "update", at_ns), events=events)
        return [self._told]

    def _reason(self, until_ns: int) -> str:
        """Why it ends: as one of the last that were together, where nobody looks any more."""
        reasons = {part.event.reason for part in self._parts(until_ns)}
        return next((reason for reason in ("lost", "stopped") if reason in reasons), "gone")

    def _message(self, told: Event, phase: Phase, ns: int) -> Event:
        seconds = (ns - self._start_ns) / NS
        return replace(told, phase=phase, captured_ns=ns, captured_at=told.started_at + seconds, duration_s=seconds)

    def _together_until(self, now_ns: int) -> int:
        """The last moment until now before it was not whole for longer than it is held: something missed or forbidden.

        That can begin to be so where a part has ended, and where something begins that must not be.
        """
        parts = [part for heard in (*self._all, *self._any) for part in heard.parts]
        ends = [part.end_ns + self._within_ns for part in parts if part.end_ns is not None]
        forbidden = [part for heard in self._none for part in heard.parts]
        whole_ns = self._whole_ns
        while True:
            begins = [max(whole_ns, one.start_ns - 1) for one in forbidden if one.is_after(whole_ns)]
            broken = [ns for ns in (*ends, *begins) if whole_ns <= ns < now_ns and not self._is_whole(ns + 1)]
            if not broken:
                return now_ns
            until_ns = min(broken)
            latest_ns = min(now_ns, until_ns + self._hold_ns)
            again = [ns for ns in self._moments() if until_ns < ns <= latest_ns and self._is_whole(ns)]
            if not again:
                return until_ns
            whole_ns = min(again)
            if whole_ns <= now_ns - self._hold_ns - LATE_NS:
                self._whole_ns = whole_ns

    def _is_whole(self, ns: int) -> bool:
        if self._in_order:
            there = bool(self._parts(ns))
        else:
            there = all(heard.is_there(ns, self._within_ns) for heard in self._all)
            there = there and (not self._any or any(heard.is_there(ns, self._within_ns) for heard in self._any))
        return there and not any(heard.is_there(ns, 0) for heard in self._none)

    def _moments(self) -> set[int]:
        """When it may become whole: something of it begins, or what must not be is long enough gone."""
        moments = {part.start_ns for heard in (*self._all, *self._any) for part in heard.parts}
        ends = {part.end_ns for heard in self._none for part in heard.parts}
        return moments | {ns + self._within_ns + 1 for ns in ends if ns is not None}

    def _parts(self, ns: int) -> list[_Part]:
        """What it is made of at a moment; empty: something is missing."""
        found = [heard.at(ns, self._within_ns) for heard in self._all]
        others = [part for heard in self._any for part in heard.at(ns, self._within_ns)]
        if not all(found) or (self._any and not others) or (self._in_order and not _follow(found)):
            return []
        return [part for parts in (*found, others) for part in parts]

    def _is_ruled_out(self, ns: int) -> bool:
        """True where one that must not be there is, or is soon."""
        return any(
            part.start_ns - self._within_ns <= ns and (part.end_ns is None or ns <= part.end_ns + self._within_ns)
            for heard in self._none
            for part in heard.parts
        )


def _follow(found: Iterable[Sequence[_Part]]) -> bool:
    """True where one of each can be chosen so that they began one after the other; each is in the order of starts."""
    ns = -1
    chosen: set[str] = set()
    for parts in found:
        later = next((part for part in parts if part.start_ns >= ns and part.event.id not in chosen), None)
        if later is None:
            return False
        ns = later.start_ns
        chosen.add(later.event.id)
    return True


def _ids(parts: Iterable[_Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.event.id for part in sorted(parts, key=lambda part: part.start_ns)))
