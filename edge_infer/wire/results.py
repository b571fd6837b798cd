"""A result as it travels."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from edge_infer.types import (
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
    Tensors,
)
from edge_infer.wire.payloads import Point, WireClass, WireDetection, WireMask, WireMeasurement, WireRegion, WireResult

# A quantised score has steps of 1/256, and a box is not known to a hundredth of a pixel.
SCORE_DIGITS = 4
PIXEL_DIGITS = 2
MS_DIGITS = 3
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
        case Tensors():
            return {"tensors": {name: _finite(value) for name, value in prediction}}
    return {}


def classes(prediction: Classes) -> tuple[WireClass, ...]:
    """Each class, best first."""
    return tuple(
        WireClass(label=c.label, class_id=c.class_id, score=round(c.score, SCORE_DIGITS), head=c.head or None)
        for c in prediction
    )


def detections(prediction: Detections) -> tuple[WireDetection, ...]:
    """Each object, best first."""
    return tuple(_detection(d, prediction.keypoint_names) for d in prediction)


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


def _pixels(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
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
