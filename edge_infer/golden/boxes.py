"""Expected objects: found where they are, of the same class, with about the same score."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge_infer.decode.nms import iou
from edge_infer.golden.comparison import Arrays, Comparison, Limits, other_labels, texts, within, words
from edge_infer.types import Array, Detections

OPTIONAL = ("keypoints", "keypoint_scores", "corners")
EDGE = np.array([-0.5, -0.5, 0.5, 0.5], np.float32)  # a box that was cut off at the frame's edge may have no area
# Of the frame's side: how exact a small object's points can be. Measured: 5 % of the side of a face of 60 px in 610.
SLACK = 0.01
SURE_POINT = 0.5  # a keypoint of a lower score may be anywhere


@dataclass(frozen=True, slots=True)
class Match:
    """Which found object each expected one is (-1: none), and how much it overlaps the nearest."""

    places: list[int]
    overlaps: list[float]


def record(prediction: Detections) -> dict[str, Array]:
    """`boxes (n, 4)`, `scores (n,)`, `class_ids (n,)`, labels, and what else the objects have."""
    arrays = {
        "boxes": prediction.boxes,
        "scores": prediction.scores,
        "class_ids": prediction.class_ids.astype(np.int32),
        "labels": texts(prediction.labels),
    }
    arrays |= {name: value for name in OPTIONAL if (value := getattr(prediction, name)) is not None}
    if prediction.keypoint_names:
        arrays["keypoint_names"] = texts(prediction.keypoint_names)
    return arrays | {f"mask{j}": mask for j, mask in enumerate(prediction.masks or ())}


def restore(arrays: Arrays) -> Detections:
    """The objects that `record` has kept; older files have boxes, scores and class ids only."""
    n = len(arrays["scores"])
    return Detections(
        arrays["boxes"],
        arrays["scores"],
        arrays["class_ids"],
        words(arrays, "labels", n),
        keypoint_names=words(arrays, "keypoint_names", 0),
        masks=tuple(arrays[f"mask{j}"] for j in range(n)) if "mask0" in arrays else None,
        **{name: arrays.get(name) for name in OPTIONAL},  # type: ignore[arg-type]  # arrays all of them
    )


def differences(found: Detections, expected: Detections, limits: Limits) -> list[str]:
    """Objects whose score is nearly the threshold may be there or not: runtimes differ."""
    match = _match(found, expected, limits.golden.min_iou)
    lost = [i for i in _sure(expected, limits) if match.places[i] < 0]
    extra = set(_sure(found, limits)) - set(match.places)
    if len(lost) != len(extra):
        return [f"{len(found)} objects found, {len(expected)} expected"]
    problems = [
        f"no object where class {expected.class_ids[i]} is expected (overlap {match.overlaps[i]:.2f})" for i in lost
    ]
    pairs = [(i, j) for i, j in enumerate(match.places) if j >= 0]
    for i, j in pairs:
        problems += _differences_of_one(found, j, expected, i, limits)
    return problems + other_labels(
        [(int(expected.class_ids[i]), found.labels[j], expected.labels[i]) for i, j in pairs]
    )


def far_points(found: Array, expected: Array, scores: Array | None, names: tuple[str, ...], limit: float) -> list[str]:
    """Points `(k, 2)` that are farther than `limit` px from where they are expected, of those that are sure."""
    distances = np.linalg.norm(found - expected, axis=1)
    sure = np.ones(len(expected), bool) if scores is None else scores >= SURE_POINT
    far = [i for i in np.flatnonzero(sure) if not within(float(distances[i]), limit)]
    if not far:
        return []
    worst = max(far, key=lambda i: distances[i])
    return [
        f"{len(far)} of {np.count_nonzero(sure)} points are not where they are expected "
        f"({names[worst]}: {distances[worst]:.0f} px away, at most {limit:.0f})"
    ]


def _match(found: Detections, expected: Detections, min_iou: float) -> Match:
    """Each expected object takes, best first, the one of its class that overlaps it most and is not taken."""
    match = Match([], [])
    for i in range(len(expected)):
        overlaps = _overlaps(found, expected, i) * (found.class_ids == expected.class_ids[i])
        overlaps[[j for j in match.places if j >= 0]] = 0
        best = int(overlaps.argmax()) if len(overlaps) else -1
        match.overlaps.append(float(overlaps[best]) if len(overlaps) else 0.0)
        match.places.append(best if match.overlaps[-1] > 0 and match.overlaps[-1] >= min_iou else -1)
    return match


def _overlaps(found: Detections, expected: Detections, i: int) -> Array:
    if found.corners is None or expected.corners is None:
        return iou(expected.boxes[i] + EDGE, found.boxes + EDGE)
    return np.array([_polygon_iou(quad, expected.corners[i]) for quad in found.corners], np.float32)


def _polygon_iou(a: Array, b: Array) -> float:
    a, b = a.astype(np.float32), b.astype(np.float32)
    common = float(cv2.intersectConvexConvex(a, b)[0])
    union = cv2.contourArea(a) + cv2.contourArea(b) - common
    return common / union if union > 0 else 0.0


def _sure(objects: Detections, limits: Limits) -> list[int]:
    """Those that any runtime finds: not so near the threshold, or the end of a list that was cut."""
    least = limits.decode.min_score
    if limits.decode.max_results is not None and len(objects) >= limits.decode.max_results:
        least = max(least or 0.0, float(objects.scores.min()))
    if least is None:
        return list(range(len(objects)))
    return np.flatnonzero(objects.scores >= least + limits.golden.score_tolerance).tolist()


def _differences_of_one(found: Detections, j: int, expected: Detections, i: int, limits: Limits) -> list[str]:
    problems = []
    if not within(float(found.scores[j]) - float(expected.scores[i]), limits.golden.score_tolerance):
        problems.append(f"score {found.scores[j]:.2f}, {expected.scores[i]:.2f} expected")
    if expected.keypoints is not None:
        if found.keypoints is None or found.keypoints.shape[1] != expected.keypoints.shape[1]:
            return [*problems, "an object has other keypoints than expected"]
        scores = None if expected.keypoint_scores is None else expected.keypoint_scores[i]
        box = expected.boxes[i]
        limit = limits.golden.max_distance * float(max(box[2:] - box[:2])) + SLACK * max(limits.size)
        problems += far_points(found.keypoints[j], expected.keypoints[i], scores, expected.keypoint_names, limit)
    if expected.masks is not None:
        overlap = _mask_iou(found, j, expected, i)
        if not overlap >= limits.golden.min_iou:
            problems.append(f"the mask of an object overlaps the expected one by {overlap:.2f} only")
    return problems


def _mask_iou(found: Detections, j: int, expected: Detections, i: int) -> float:
    if found.masks is None or expected.masks is None:
        return 0.0
    a, b = _placed(found, j, found.masks[j]), _placed(expected, i, expected.masks[i])
    low, high = np.minimum(a[0], b[0]), np.maximum(a[1], b[1])
    canvases = np.zeros((2, *(high - low)), bool)
    for canvas, (origin, end, mask) in zip(canvases, (a, b), strict=True):
        top, left, bottom, right = (*(origin - low), *(end - low))
        canvas[top:bottom, left:right] = mask
    union = np.count_nonzero(canvases.any(axis=0))
    return np.count_nonzero(canvases.all(axis=0)) / union if union else 0.0


def _placed(objects: Detections, i: int, mask: Array) -> tuple[Array, Array, Array]:
    """First and last (row, column) of an object's mask in the frame, and the mask."""
    origin = np.floor(objects.boxes[i][[1, 0]]).astype(int)
    return origin, origin + mask.shape, mask


BOXES = Comparison(
    prediction=Detections,
    noun="detections",
    record=record,
    restore=restore,
    differences=differences,
    proves=lambda expected, limits: bool(_sure(expected, limits)),
)
