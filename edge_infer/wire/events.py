"""An event as it travels, in the same envelope as results."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_infer.types import Event
from edge_infer.wire.result_payloads import WireDetail
from edge_infer.wire.results import PIXEL_DIGITS, SCORE_DIGITS, detail

DURATION_DIGITS = 3


class WireEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message about something that happens: it starts, goes on, and ends (docs/events.md)."""

    id: Annotated[str, Meta(description="the same from start to end")]
    phase: Literal["start", "update", "end"]
    kind: Literal["object", "zone", "line", "class", "anomaly", "fusion"]
    label: str
    time: Annotated[float, Meta(description="of the frame that this message is about")]
    mono_ns: int
    started: Annotated[float, Meta(description="of the frame with which it started")]
    duration_s: float
    where: Annotated[str, Meta(description="the zone or line")] = ""
    class_id: int | None = None
    frame: int | None = None
    score: float | None = None
    top_score: float | None = None
    track: int | None = None
    box: tuple[float, float, float, float] | None = None
    reason: Annotated[str, Meta(description="why it ended: gone, lost, stopped, restarted")] = ""
    direction: str = ""
    counts: dict[str, int] = {}
    events: Annotated[tuple[str, ...], Meta(description="those that a fusion is made of")] = ()
    snapshot: Annotated[bool, Meta(description="a picture of it is published under its id")] = False
    detail: Annotated[WireDetail | None, Meta(description="what a second model says about the object")] = None


def event_to_wire(event: Event) -> WireEvent:
    """The event as a payload."""
    x0, y0, x1, y1 = (round(v, PIXEL_DIGITS) for v in event.box or (0.0, 0.0, 0.0, 0.0))
    return WireEvent(
        id=event.id,
        phase=event.phase,
        kind=event.kind,
        label=event.label,
        time=event.captured_at,
        mono_ns=event.captured_ns,
        started=event.started_at,
        duration_s=round(event.duration_s, DURATION_DIGITS),
        where=event.where,
        class_id=event.class_id,
        frame=event.frame,
        score=_score(event.score),
        top_score=_score(event.top_score),
        track=event.track_id,
        box=(x0, y0, x1, y1) if event.box else None,
        reason=event.reason,
        direction=event.direction,
        counts=dict(event.counts),
        events=event.events,
        snapshot=event.snapshot,
        detail=None if event.detail is None else detail(event.detail),
    )


def _score(score: float | None) -> float | None:
    return None if score is None else round(score, SCORE_DIGITS)
