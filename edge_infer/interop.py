"""Predictions as other libraries want them. Each is imported when it is asked for, and none is needed otherwise."""

import inspect
import math
from importlib import import_module
from typing import Any

import numpy as np

from edge_infer.types import Array, Detections, Keypoints, Size

# Source: tried with 0.25.1 and 0.31.2.
SUPERVISION = "supervision"


def detections_to_supervision(detections: Detections, size: Size | None) -> Any:
    """`supervision.Detections`: xyxy, confidence, class_id, data["class_name"]; masks of `size` (width, height).

    Oriented boxes are in data["xyxyxyxy"], keypoints in data["keypoints"] and data["keypoint_scores"].

    Raises:
        ImportError: supervision is not installed.
        ValueError: there are masks, and no size is given.
    """
    data: dict[str, Any] = {"class_name": np.array(detections.labels, dtype=str)}
    if detections.corners is not None:
        data["xyxyxyxy"] = detections.corners
    if detections.keypoints is not None:
        data["keypoints"] = detections.keypoints
    if detections.keypoint_scores is not None:
        data["keypoint_scores"] = detections.keypoint_scores
    masks = _whole_masks(detections, size)
    return _supervision().Detections(
        xyxy=detections.boxes.astype(np.float32),
        mask=masks,
        confidence=detections.scores.astype(np.float32),
        class_id=detections.class_ids.astype(int),
        data=data,
    )


def keypoints_to_supervision(prediction: Keypoints | Detections) -> Any:
    """`supervision.KeyPoints`: one body, hand or face, or one for each object that has points.

    Raises:
        ImportError: supervision is not installed.
        ValueError: the objects have no points.
    """
    if isinstance(prediction, Keypoints):
        return _key_points(prediction.points[None], prediction.scores[None])
    if prediction.keypoints is None:
        raise ValueError("these detections have no keypoints: their model gives boxes only")
    return _key_points(
        prediction.keypoints,
        prediction.keypoint_scores,
        class_id=prediction.class_ids.astype(int),
        data={"class_name": np.array(prediction.labels, dtype=str)},
    )


def _key_points(points: Array, scores: Array | None, **more: Any) -> Any:
    made = _supervision().KeyPoints
    # Its name in version 0.31; before it was `confidence`.
    name = "keypoint_confidence" if "keypoint_confidence" in inspect.signature(made).parameters else "confidence"
    if scores is not None:
        more[name] = scores.astype(np.float32)
    return made(xy=points.astype(np.float32), **more)


def _whole_masks(detections: Detections, size: Size | None) -> Array | None:
    """`(n, height, width) bool`: each object's mask in the whole frame."""
    if detections.masks is None:
        return None
    if size is None:
        raise ValueError("the masks need the size of the frame: to_supervision(size=(width, height)), or result.to_...")
    whole = np.zeros((len(detections), size[1], size[0]), bool)
    for place, (box, mask) in enumerate(zip(detections.boxes.tolist(), detections.masks, strict=True)):
        x, y = math.floor(box[0]), math.floor(box[1])
        left, top = max(0, -x), max(0, -y)
        part = mask[top : max(0, size[1] - y), left : max(0, size[0] - x)]
        whole[place, y + top : y + top + part.shape[0], x + left : x + left + part.shape[1]] = part
    return whole


def _supervision() -> Any:
    try:
        return import_module(SUPERVISION)
    except ModuleNotFoundError as error:
        if error.name != SUPERVISION:
            raise
        raise ImportError(f"{SUPERVISION} is not installed: pip install {SUPERVISION}", name=SUPERVISION) from error
