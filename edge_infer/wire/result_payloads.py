"""What a result says: JSON, as the envelopes of `payloads` hold it. Within v1 keys are only added.

Scores lie in 0..1, boxes and points are in captured-frame pixels.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

Score = Annotated[float, Meta(ge=0.0, le=1.0)]
XY: TypeAlias = tuple[float, float]


class Point(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named point; `z` is its depth in the unit of x, smaller is nearer."""

    name: str
    x: float
    y: float
    score: Score | None = None
    z: float | None = None


class WireClass(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One class; `head` is the output that says so, of a model with several."""

    label: str
    class_id: int
    score: Score
    head: str | None = None


class WireDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a second model says about one object."""

    classes: tuple[WireClass, ...] | None = None
    keypoints: tuple[Point, ...] | None = None
    embedding: tuple[float, ...] | None = None
    measurements: "tuple[WireMeasurement, ...] | None" = None
    anomaly: "WireAnomaly | None" = None
    detections: "tuple[WireDetection, ...] | None" = None


class WireDetection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object; box is x0, y0, x1, y1, corners are those of an oriented box, outlines are those of its mask.

    `track` is the same in every frame that shows this object.
    """

    label: str
    class_id: int
    score: Score
    box: tuple[float, float, float, float]
    keypoints: tuple[Point, ...] = ()
    corners: tuple[XY, ...] = ()
    outlines: tuple[tuple[XY, ...], ...] = ()
    pixels: int | None = None
    track: int | None = None
    detail: WireDetail | None = None


class WireRegion(Struct, frozen=True, kw_only=True):
    """How many pixels of the frame one class covers."""

    class_id: int
    label: str
    pixels: int


class WireMask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Segmentation, the largest class first; `png` is a file with the class of each pixel, where one was written."""

    classes: tuple[WireRegion, ...]
    png: str | None = None


class WireMeasurement(Struct, frozen=True, kw_only=True):
    """One number that the model estimates."""

    name: str
    value: float
    unit: str


class WireAnomaly(Struct, frozen=True, kw_only=True):
    """How unusual it is; a score >= threshold is more than normal."""

    score: float
    threshold: float


class WireSpan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which samples of a stream a result is about; seconds since the source was opened, where there is a rate."""

    start: int
    samples: int
    rate_hz: float
    start_s: float | None = None
    length_s: float | None = None
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    missing: int = 0


class WireResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model said about one frame. Which list is there depends on the task; "no answer" has none.

    A window of samples has a `span`, and width and height 0; its time is that of its last sample.
    """

    time: float
    mono_ns: int
    frame: int
    width: int
    height: int
    task: str
    status: Literal["ok", "degraded", "timeout", "error"]
    model: str
    device: str
    timings_ms: dict[str, float]
    error: str | None = None
    dropped: dict[str, int] | None = None
    detections: tuple[WireDetection, ...] | None = None
    classes: tuple[WireClass, ...] | None = None
    mask: WireMask | None = None
    keypoints: tuple[Point, ...] | None = None
    embedding: tuple[float, ...] | None = None
    measurements: tuple[WireMeasurement, ...] | None = None
    anomaly: WireAnomaly | None = None
    tensors: dict[str, Any] | None = None
    span: WireSpan | None = None
    media_s: Annotated[float | None, Meta(description="where the frame stands in the file it was read from")] = None
