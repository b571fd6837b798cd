"""Non-maximum suppression."""

import numpy as np

from edge_infer.types import Array


def iou(box: Array, boxes: Array) -> Array:
    """Intersection over union of one xyxy box `(4,)` with boxes `(n, 4)`: `(n,)`, 0 where both are empty."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - common
    overlap: Array = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return overlap


def groups(boxes: Array, scores: Array, threshold: float) -> list[Array]:
    """Overlapping boxes together: each group is the indices of one object, its best first, groups best first.

    The best remaining box takes all remaining boxes with IoU > `threshold`. Equal scores: the lower index first.
    """
    remaining = np.argsort(-scores, kind="stable")
    found = []
    while len(remaining):
        overlapping = iou(boxes[remaining[0]], boxes[remaining]) > threshold
        overlapping[0] = True  # an empty box overlaps nothing, not even itself
        found.append(remaining[overlapping])
        remaining = remaining[~overlapping]
    return found
