"""A result as it travels."""

from collections.abc import Sequence
from typing import Any

from edge_infer.types import Classes, Detections, Prediction, Result, Tensors
from edge_infer.wire.payloads import Point, WireClass, WireDetection, WireResult

# A quantised score has steps of 1/256, and a box is not known to a hundredth of a pixel.
SCORE_DIGITS = 4
PIXEL_DIGITS = 2
MS_DIGITS = 3


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
    """The prediction under the key of its task: `detections`, `classes` or `tensors`; empty where there is none."""
    match prediction:
        case Detections():
            return {"detections": detections(prediction)}
        case Classes():
            return {"classes": classes(prediction)}
        case Tensors():
            return {"tensors": {name: value.tolist() for name, value in prediction}}
    return {}


def classes(prediction: Classes) -> tuple[WireClass, ...]:
    """Each class, best first."""
    return tuple(WireClass(label=c.label, class_id=c.class_id, score=round(c.score, SCORE_DIGITS)) for c in prediction)


def detections(prediction: Detections) -> tuple[WireDetection, ...]:
    """Each object, best first."""
    names = prediction.keypoint_names
    return tuple(
        WireDetection(
            label=d.label,
            class_id=d.class_id,
            score=round(d.score, SCORE_DIGITS),
            box=_pixels(d.box),
            keypoints=tuple(_point(name, xy) for name, xy in zip(names, d.keypoints, strict=True)),
        )
        for d in prediction
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


def _pixels(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(v, PIXEL_DIGITS) for v in box)
    return x0, y0, x1, y1


def _point(name: str, xy: tuple[float, float]) -> Point:
    return Point(name=name, x=round(xy[0], PIXEL_DIGITS), y=round(xy[1], PIXEL_DIGITS))
