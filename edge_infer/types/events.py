"""What happened: something that starts, goes on, and ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from edge_infer.types.predictions import Prediction

Phase: TypeAlias = Literal["start", "update", "end"]
EventKind: TypeAlias = Literal["object", "zone", "line", "class", "anomaly", "fusion"]


@dataclass(frozen=True, slots=True)
class Event:
    """One message about something that happens.

    Attributes:
        id: the same from start to end, and of nothing else that this device reports
        kind: an `object` is there; it is in a `zone`; it crossed a `line` (start and end in one); a `class` is seen or
            heard; an `anomaly` lasts; a `fusion` of others
        label: of the object or class; the name of a fusion
        where: the zone or line; "" for others
        captured_at: of the frame that this message is about: wall clock, seconds since 1970
        captured_ns: ... monotonic clock, ns
        frame: ... its number; None where no frame did it (an end because nothing came any more)
        started_at: of the frame with which it started, wall clock
        duration_s: from then to the last frame that showed it, on the clock of what was captured
        score: now; `top_score`: the highest so far
        track_id, box: of the object, in captured-frame pixels
        reason: why it ended: "gone", "lost" (nothing came that could show it), "stopped", "restarted"
        counts: numbers that belong to it, such as objects in the zone, or crossings of the line in each direction
        direction: in which a line was crossed
        events: ids of those that a fusion is made of
        snapshot: a picture of it was published under this id
        detail: what a second model says about the object: its answer about the best picture so far (score times size)
    """

    id: str
    phase: Phase
    kind: EventKind
    label: str
    captured_at: float
    captured_ns: int
    started_at: float
    duration_s: float = 0.0
    where: str = ""
    class_id: int | None = None
    frame: int | None = None
    score: float | None = None
    top_score: float | None = None
    track_id: int | None = None
    box: tuple[float, float, float, float] | None = None
    reason: str = ""
    direction: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    snapshot: bool = False
    detail: Prediction | None = None


@dataclass(frozen=True, slots=True)
class PlainEvent(Event):
    """An event as it is read from a file of plain values: without what a second model says, which is arrays."""

    detail: None = None
