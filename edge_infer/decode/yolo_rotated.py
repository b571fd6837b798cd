"""Turned boxes: x, y, width, height in pixels and an angle in radians, clockwise on the picture.

Source: Llerena et al., "Probabilistic Intersection-over-Union for Training and Evaluation of Oriented Object
Detectors", 2021, as Ultralytics uses it: a box counts as the Gaussian of its own centre and covariance.
"""

import numpy as np

from edge_infer.decode.nms import prefixes
from edge_infer.types import Array

EPSILON = 1e-7  # Source: Ultralytics' batch_probiou
LARGEST_DISTANCE = 100.0  # of Bhattacharyya; beyond, two boxes have nothing in common


def regular(boxes: Array) -> Array:
    """The same boxes `(n, 5)` with angles in 0..pi/2; Ultralytics reports them like that."""
    turned = boxes.copy()
    swap = boxes[:, 4] % np.pi >= np.pi / 2
    turned[swap, 2], turned[swap, 3] = boxes[swap, 3], boxes[swap, 2]
    turned[:, 4] = boxes[:, 4] % (np.pi / 2)
    return turned


def corners(boxes: Array) -> Array:
    """`(n, 4, 2)` corners around each box `(n, 5)`: the end of both sides first, then against the width, and so on."""
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    along = np.stack([cos, sin], axis=1) * boxes[:, 2:3] / 2
    across = np.stack([-sin, cos], axis=1) * boxes[:, 3:4] / 2
    middle = boxes[:, :2]
    around = (middle + along + across, middle + along - across, middle - along - across, middle - along + across)
    return np.stack(around, axis=1)


def probiou(boxes: Array) -> Array:
    """`(n, n)` how far each two boxes `(n, 5)` are the same, 0..1."""
    boxes = boxes.astype(np.float64)
    a, b, c = _covariance(boxes)
    a, b, c = a[:, None] + a, b[:, None] + b, c[:, None] + c
    x, y = boxes[:, 0, None] - boxes[:, 0], boxes[:, 1, None] - boxes[:, 1]
    joint = a * b - c**2
    own = np.maximum(np.diagonal(joint) / 4, 0.0)  # the joint covariance of a box and itself is twice its own
    apart = (a * y**2 + b * x**2) / (joint + EPSILON) / 4 - c * x * y / (joint + EPSILON) / 2
    unlike = np.log(joint / (4 * np.sqrt(own[:, None] * own) + EPSILON) + EPSILON) / 2
    distance = np.clip(apart + unlike, EPSILON, LARGEST_DISTANCE)
    similar: Array = 1.0 - np.sqrt(1.0 - np.exp(-distance) + EPSILON)
    return similar


def _covariance(boxes: Array) -> tuple[Array, Array, Array]:
    """Variances along x and y, and what they have in common."""
    along, across = boxes[:, 2] ** 2 / 12, boxes[:, 3] ** 2 / 12
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    return along * cos**2 + across * sin**2, along * sin**2 + across * cos**2, (along - across) * cos * sin


def keep_rotated(
    boxes: Array, scores: Array, threshold: float, class_ids: Array | None = None, limit: int | None = None
) -> Array:
    """Indices of the boxes `(n, 5)` that are like no better one, best first: at most `limit`.

    Boxes of different `class_ids` do not matter to each other. As in Ultralytics a box goes when its probiou with *any*
    better one is >= `threshold`, also with one that goes itself (fast NMS). Equal scores: the lower index first.
    """
    order = np.argsort(-scores, kind="stable")
    kept = order[:0]
    for count in prefixes(len(order), limit):
        best = order[:count]
        alike = probiou(boxes[best]) >= threshold
        if class_ids is not None:
            alike &= class_ids[best, None] == class_ids[best]
        kept = best[~np.triu(alike, 1).any(axis=0)]
        if limit is not None and len(kept) >= limit:
            break
    return kept[:limit]
