"""A result as it travels."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from edge_infer.types import (
    Anomaly,
    Array,
    Classes,
    Detection,
    Detections,
    Embedding,
    Keypoint,
    Keypoints,
    Mask,
    Measurements,
    Prediction,
    Result,
    Span,
    Tensors,
)
from edge_infer.wire.result_payloads import (
    Point,
    WireAnomaly,
    WireClass,
    WireDetail,
    WireDetection,
    WireMask,
    WireMeasurement,
    WireRegion,
    WireResult,
    WireSpan,
)

# A quantised score has steps of 1/256, and a box is not known to a hundredth of a pixel.
SCORE_DIGITS = 4
PIXEL_DIGITS = 2
MS_DIGITS = 3
SECOND_DIGITS = 6
EMBEDDING_DIGITS = 6  # of a vector of length 1


def to_wire(result: Result) -> WireResult:
    """The result as a payload."""
    return WireResult(
        time=result.captured_at,
        mono_ns=result.captured_ns,
        frame=result.number,
        width=result.size[0],
        height=result.size[1],
        task=result.task,
        status=result.status,
        model=str(result.model),
        device=result.device,
        timings_ms={stage: round(ms, MS_DIGITS) for stage, ms in result.timings_ms.items()},
        error=result.error,
        dropped=dict(result.dropped) or None,
        span=_span(result.span) if result.span else None,
        media_s=None if result.media_s is None else round(result.media_s, SECOND_DIGITS),
        **predicted(result.prediction),
    )


def predicted(prediction: Prediction | None) -> dict[str, Any]:
    """The prediction under the key of its kind, such as `detections` or `classes`; empty where there is none."""
    match prediction:
        case Detections():
            return {"detections": detections(prediction)}
        case Classes():
            return {"classes": classes(prediction)}
        case Mask():
            return {"mask": WireMask(classes=tuple(WireRegion(**asdict(region)) for region in prediction))}
        case Keypoints():
            return {"keypoints": tuple(_keypoint(point) for point in prediction)}
        case Embedding():
            nearest = {} if prediction.nearest is None else {"classes": classes(prediction.nearest)}
            return {"embedding": tuple(round(v, EMBEDDING_DIGITS) for v in prediction)} | nearest
        case Measurements():
            return {"measurements": tuple(WireMeasurement(**asdict(one)) for one in prediction)}
        case Anomaly():
            return {"anomaly": WireAnomaly(score=float(f"{prediction.score:.6g}"), threshold=prediction.threshold)}
        case Tensors():
            return {"tensors": {name: _finite(value) for name, value in prediction}}
    return {}


def classes(prediction: Classes) -> tuple[WireClass, ...]:
    """Each class, best first."""
    heads = prediction.heads or (None,) * len(prediction)
    rows = zip(prediction.labels, prediction.class_ids.tolist(), prediction.scores.tolist(), heads, strict=True)
    return tuple(
        WireClass(label=label, class_id=class_id, score=round(score, SCORE_DIGITS), head=head or None)
        for label, class_id, score, head in rows
    )


def detections(prediction: Detections) -> tuple[WireDetection, ...]:
    """Each object, best first."""
    more = (prediction.keypoints, prediction.corners, prediction.masks, prediction.track_ids, prediction.details)
    if any(part is not None for part in more):
        return tuple(_detection(d, prediction.keypoint_names) for d in prediction)
    rows = zip(
        prediction.labels,
        prediction.class_ids.tolist(),
        prediction.scores.tolist(),
        prediction.boxes.tolist(),
        strict=True,
    )
    return tuple(
        WireDetection(label=label, class_id=class_id, score=round(score, SCORE_DIGITS), box=_pixels(box))
        for label, class_id, score, box in rows
    )


def _detection(d: Detection, names: Sequence[str]) -> WireDetection:
    scores = d.keypoint_scores or (None,) * len(names)
    points = zip(names, d.keypoints, scores, strict=True) if d.keypoints else ()
    return WireDetection(
        label=d.label,
        class_id=d.class_id,
        score=round(d.score, SCORE_DIGITS),
        box=_pixels(d.box),
        keypoints=tuple(_point(name, xy, score) for name, xy, score in points),
        corners=tuple(map(_xy, d.corners)),
        outlines=() if d.mask is None else tuple(tuple(map(_xy, line)) for line in outlines(d)),
        pixels=None if d.mask is None else int(d.mask.sum()),
        track=d.track_id,
        detail=None if d.detail is None else detail(d.detail),
    )


def detail(prediction: Prediction) -> WireDetail:
    """What a second model says about an object."""
    said = predicted(prediction)
    return WireDetail(**{name: said[name] for name in said if name in WireDetail.__struct_fields__})


def _span(span: Span) -> WireSpan:
    times = {"start_s": span.start_s, "length_s": span.length_s}
    return WireSpan(
        start=span.start,
        samples=span.samples,
        rate_hz=span.rate_hz,
        channels=span.channels,
        units=span.units,
        missing=span.missing,
        **{name: round(value, SECOND_DIGITS) for name, value in times.items() if value is not None},
    )


def counts(prediction: Prediction | None) -> dict[str, int]:
    """How many objects of each label; for classes, the best one."""
    found: dict[str, int] = {}
    labels: Sequence[str] = ()
    match prediction:
        case Detections():
            labels = prediction.labels
        case Classes():
            labels = prediction.labels[:1]
    for label in labels:
        found[label] = found.get(label, 0) + 1
    return found


def outlines(detection: Detection) -> list[list[tuple[float, float]]]:
    """The lines around the parts of an object's mask, in captured-frame pixels, true to about a pixel."""
    import cv2  # here: an application that reads payloads needs none

    if detection.mask is None or not detection.mask.any():
        return []
    x0, y0 = math.floor(detection.box[0]), math.floor(detection.box[1])
    found, _ = cv2.findContours(detection.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    lines = (cv2.approxPolyDP(contour, 1.0, closed=True).reshape(-1, 2) for contour in found)
    return [[(float(x + x0), float(y + y0)) for x, y in line.tolist()] for line in lines]


def _pixels(box: Sequence[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(v, PIXEL_DIGITS) for v in box)
    return x0, y0, x1, y1


def _xy(pair: tuple[float, float]) -> tuple[float, float]:
    return round(pair[0], PIXEL_DIGITS), round(pair[1], PIXEL_DIGITS)


def _point(name: str, xy: tuple[float, float], score: float | None) -> Point:
    x, y = _xy(xy)
    return Point(name=name, x=x, y=y, score=None if score is None else round(score, SCORE_DIGITS))


def _keypoint(point: Keypoint) -> Point:
    x, y = _xy((point.x, point.y))
    z = None if point.z is None else round(point.z, PIXEL_DIGITS)
    return Point(name=point.name, x=x, y=y, score=round(point.score, SCORE_DIGITS), z=z)


def _finite(values: Array) -> Any:
    """Nested lists; JSON has no infinity and no NaN: null."""
    if np.isfinite(values).all():
        return values.tolist()
    stored = values.astype(object)
    stored[~np.isfinite(values)] = None
    return stored.tolist()
