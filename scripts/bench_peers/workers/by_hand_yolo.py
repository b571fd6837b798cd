"""What one writes around a YOLO export: letterbox with OpenCV, all outputs made real numbers, OpenCV's suppression."""

from typing import Any

import cv2
import numpy as np

from bench_peers.workers.steps import GREY, IOU
from bench_peers.workers.turns import MIN_SCORE, Said


def letterbox(frame: Any, width: int, height: int) -> tuple[Any, float, tuple[int, int]]:
    """RGB of (height, width, 3), its scale, and the columns and rows left of and above it."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    columns, rows = round(frame.shape[1] * scale), round(frame.shape[0] * scale)
    left, top = (width - columns) // 2, (height - rows) // 2
    small = cv2.cvtColor(cv2.resize(frame, (columns, rows)), cv2.COLOR_BGR2RGB)
    border = (top, height - rows - top, left, width - columns - left)
    return cv2.copyMakeBorder(small, *border, cv2.BORDER_CONSTANT, value=(GREY,) * 3), scale, (left, top)


def objects(output: Any, quantisation: tuple[float, int], size: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Boxes (left, top, width, height) in pixels of the input, scores and classes of `(4 + classes, cells)`."""
    scale, zero = quantisation
    rows = ((output.astype(np.float32) - zero) * scale if scale else output).T
    class_ids, scores = rows[:, 4:].argmax(axis=1), rows[:, 4:].max(axis=1)
    keep = scores >= MIN_SCORE
    boxes, scores, class_ids = rows[keep, :4] * (*size, *size), scores[keep], class_ids[keep]
    boxes[:, :2] -= boxes[:, 2:] / 2
    best = cv2.dnn.NMSBoxesBatched(boxes, scores, class_ids, MIN_SCORE, IOU)
    return boxes[best], scores[best], class_ids[best]


def described(
    found: tuple[Any, Any, Any],
    labels: tuple[str, ...],
    placed: tuple[float, tuple[int, int]],
    size: tuple[int, int],
) -> Said:
    """In pixels of a frame of (width, height), without what lies in the padding only."""
    scale, pad = placed
    boxes = found[0].reshape(-1, 4)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    corners = ((corners - (*pad, *pad)) / scale).clip(0, (*size, *size))
    rows = zip(corners.tolist(), found[1].tolist(), found[2].tolist(), strict=True)
    return [
        {"label": labels[class_id], "score": score, "box": box}
        for box, score, class_id in rows
        if box[0] < box[2] and box[1] < box[3]
    ]
