"""Predictions in lines that a person reads."""

from edge_infer.types import (
    Anomaly,
    Classes,
    Detection,
    Detections,
    Embedding,
    Keypoint,
    Keypoints,
    Mask,
    Measurements,
    Result,
    Tensors,
)

NEAREST_NONE = "nothing known resembles it"


def describe(result: Result) -> list[str]:
    """The prediction in lines that a person reads; why there is none, or why it is doubtful."""
    doubt = [f"{result.status}: {result.error}"] if result.error else []
    if result.prediction is None:
        return doubt or [f"no answer ({result.status})"]
    return [*(_lines(result) or ["nothing found"]), *doubt]


def _lines(result: Result) -> list[str]:
    match result.prediction:
        case Classes() as classes:
            return _classes(classes)
        case Detections():
            return [line for d in result.prediction for line in _detection(d, result.prediction.keypoint_names)]
        case Mask():
            whole = max(1, result.prediction.class_map.size)
            return [f"{r.pixels / whole:6.1%}  {r.label}  (class {r.class_id})" for r in result.prediction]
        case Keypoints(score=score):
            whole_score = [] if score is None else [f"{score:.3f}  in all"]
            return whole_score + [_point(point) for point in result.prediction]
        case Embedding(vector=vector, nearest=nearest):
            found = [] if nearest is None else _classes(nearest) or [NEAREST_NONE]
            return [*found, f"{len(vector)} numbers, {_some(vector.tolist())}"]
        case Measurements():
            return [f"{m.name}  {m.value:.6g} {m.unit}".rstrip() for m in result.prediction]
        case Anomaly(score=score, threshold=threshold):
            what = "an anomaly" if result.prediction.is_anomaly else "normal"
            return [f"{score:.4g}  {what}  (threshold {threshold:.4g})"]
        case Tensors():
            return [f"{name}  {list(value.shape)}  {value.reshape(-1)[:8]}" for name, value in result.prediction]
    return []


def _classes(classes: Classes) -> list[str]:
    return [f"{c.score:.3f}  {f'{c.head}: ' if c.head else ''}{c.label}  (class {c.class_id})" for c in classes]


def _detection(d: Detection, names: tuple[str, ...]) -> list[str]:
    covered = "" if d.mask is None else f", {int(d.mask.sum())} pixels"
    corners = f", corners {' '.join(f'{x:.0f},{y:.0f}' for x, y in d.corners)}" if d.corners else ""
    scores = d.keypoint_scores or (None,) * len(d.keypoints)
    points = [
        f"  {'' if score is None else f'{score:.3f}  '}{name}  at {x:.0f}, {y:.0f}"
        for name, (x, y), score in zip(names, d.keypoints, scores, strict=True)
    ]
    return [f"{d.score:.3f}  {d.label}  at {', '.join(f'{v:.0f}' for v in d.box)}{corners}{covered}", *points]


def _point(point: Keypoint) -> str:
    depth = "" if point.z is None else f", depth {point.z:.0f}"
    return f"{point.score:.3f}  {point.name}  at {point.x:.0f}, {point.y:.0f}{depth}"


def _some(values: list[float]) -> str:
    return f"beginning with {', '.join(f'{v:.3f}' for v in values[:4])}" if values else "none"
