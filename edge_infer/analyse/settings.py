"""What a configuration may say of events, zones and lines."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
XY = tuple[Share, Share]
Anchor: TypeAlias = Literal["bottom", "centre"]
Seconds = Annotated[float, Meta(ge=0.0, le=86400.0)]
Labels = Annotated[tuple[str, ...], Meta(min_length=1)]


class ZoneSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the picture that objects may be in."""

    polygon: Annotated[
        tuple[XY, ...],
        Meta(
            min_length=3,
            max_length=100,
            description="its corners in order; x, y as parts of the picture's width and height, from its upper left",
        ),
    ]
    labels: Annotated[Labels | None, Meta(description="of these objects only; default: events.labels")] = None
    anchor: Annotated[
        Anchor, Meta(description="where an object is: the middle of its box's lower edge, or of the box")
    ] = "bottom"
    inertia: Annotated[
        int, Meta(ge=1, le=1000, description="results in a row that must show it inside, or outside, until that counts")
    ] = 3
    dwell_s: Annotated[Seconds, Meta(description="it counts as inside once it has been there for so long")] = 0.0

    def __post_init__(self) -> None:
        (x0, y0), *others = self.polygon
        if not any(_spans((x - x0, y - y0), (u - x0, v - y0)) for x, y in others for u, v in others):
            raise ValueError("the corners of polygon lie on one line: nothing is inside")


class LineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line in the picture that objects may cross."""

    points: Annotated[
        tuple[XY, ...],
        Meta(min_length=2, max_length=100, description="from one end to the other, as the corners of a zone"),
    ]
    directions: Annotated[
        tuple[str, str],
        Meta(
            description="names for crossing it, seen by one who walks along it in the picture: from their left to "
            "their right, and the other way"
        ),
    ] = ("in", "out")
    labels: Annotated[Labels | None, Meta(description="of these objects only; default: events.labels")] = None
    anchor: Annotated[
        Anchor, Meta(description="where an object is: the middle of its box's lower edge, or of the box")
    ] = "bottom"

    def __post_init__(self) -> None:
        if len(set(self.points)) < 2:
            raise ValueError("all points of the line are the same: nothing can cross it")
        if len({*self.directions, ""}) < 3:
            raise ValueError("the two directions need different names")


class SmoothSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the scores of classes are made steady before events are made of them."""

    stay: Annotated[
        Annotated[float, Meta(gt=0.5, lt=1.0)] | None,
        Meta(description="weigh each score with what was there before: how probably it is still so a second later"),
    ] = None
    mean: Annotated[
        Annotated[int, Meta(ge=2, le=1000)] | None, Meta(description="the mean of so many results, instead")
    ] = None
    exclusive: Annotated[
        bool | None,
        Meta(description="one class at a time; default: until the scores of a result sum up to more than 1"),
    ] = None

    def __post_init__(self) -> None:
        if (self.stay is None) == (self.mean is None):
            raise ValueError("smooth takes either stay or mean")


class KeepSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures of events on the device's disk."""

    folder: Annotated[Path, Meta(description="where they are kept, each as <id>.jpg")]
    max_bytes: Annotated[int, Meta(ge=100_000, description="beyond it the oldest are deleted")] = 100_000_000


class EventSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When something counts as having happened, and what is told of it."""

    track: Annotated[bool, Meta(description="one event for each object; false: one for each label that is seen")] = True
    labels: Annotated[Labels | None, Meta(description="of these objects or classes only; default: all")] = None
    kinds: Annotated[
        Annotated[tuple[Literal["object", "zone", "line", "class", "anomaly"], ...], Meta(min_length=1)] | None,
        Meta(description="tell only these, such as zone and line; default: all"),
    ] = None
    min_score: Annotated[
        Annotated[float, Meta(ge=0.0)] | None,
        Meta(
            description="begins with a score >= this; of an anomaly in parts of its threshold; default: 0.5, of an "
            "anomaly 1, of objects what decode lets through"
        ),
    ] = None
    keep_score: Annotated[
        Annotated[float, Meta(ge=0.0)] | None, Meta(description="goes on with a score >= this; default: min_score")
    ] = None
    confirm: Annotated[int, Meta(ge=1, le=1000, description="begins after so many results in a row")] = 1
    confirm_s: Annotated[Seconds, Meta(description="... and when they span so many seconds")] = 0.0
    hold_s: Annotated[Seconds, Meta(description="ends when results have not shown it for so long")] = 2.0
    update_s: Annotated[
        Annotated[float, Meta(ge=0.0)] | None,
        Meta(description="tell what has changed, at most this often for each event; null: never"),
    ] = 5.0
    max_per_minute: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="so many may begin in a minute; those beyond are counted; null: no limit"),
    ] = 60
    smooth: Annotated[SmoothSettings | None, Meta(description="make the scores of classes steady first")] = None
    snapshot: Annotated[bool, Meta(description="publish a JPEG when an event begins, and its best one at its end")] = (
        False
    )
    keep: Annotated[KeepSettings | None, Meta(description="keep the best JPEG of each event in a folder, too")] = None

    def __post_init__(self) -> None:
        if self.keep_score is not None and self.min_score is not None and self.keep_score > self.min_score:
            raise ValueError("keep_score is more than min_score: it is what an event goes on with")


def _spans(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] * b[1] - a[1] * b[0] != 0.0
