"""BlazeFace: faces with six keypoints, short range (front, back) and full range.

Source: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019, and the graphs
face_detection_{short,full}_range of MediaPipe (anchors, box coding, score clipping, weighted suppression).
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from edge_infer.decode import nms
from edge_infer.decode.activations import sigmoid, surely_less
from edge_infer.decode.decoder import ClassFilter, label_of
from edge_infer.errors import ModelError
from edge_infer.types import Array, Detections, Geometry, Size, TensorSpec

KEYPOINTS = ("right_eye", "left_eye", "nose_tip", "mouth_center", "right_ear", "left_ear")
COORDINATES = 4 + 2 * len(KEYPOINTS)  # centre x, y, width, height, then x, y of each keypoint
LARGEST_COORDINATE = 1e6  # input pixels; what is larger is broken, and its area overflows


class BlazeFaceDecoder:
    """Faces with score >= `min_score`, best first, boxes and keypoints clipped to the frame."""

    task = "detect"

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        input_size: Size,
        labels: Sequence[str] = ("face",),
        *,
        min_score: float = 0.5,
        max_results: int | None = None,
        iou: float = 0.3,
        suppression: Literal["weighted", "plain"] = "weighted",
        classes: ClassFilter | None = None,
    ) -> None:
        positions = find_outputs(specs)
        if positions is None:
            raise ModelError(f"BlazeFace has outputs [1, n, {COORDINATES}] and [1, n, 1]; this model has other ones")
        self._boxes, self._scores = positions
        self._specs = tuple(specs)
        self._anchors = anchors(input_size, specs[self._scores].shape[1])
        self._labels = tuple(labels)
        mask = classes.mask(np.zeros(1, np.int64)) if classes else None
        self._min_score = min_score if mask is None or mask[0] else np.inf  # the only class there is
        self._least = surely_less(self._min_score)
        self._max_results = max_results
        self._iou = iou
        self._suppression = suppression
        self._nobody: Detections | None = None  # what is said of each empty scene

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        spec, logits = self._specs[self._scores], outputs[self._scores].reshape(-1)
        kept = np.flatnonzero(logits >= spec.least(self._least))
        scores = sigmoid(spec.real(logits[kept]))
        passing = scores >= self._min_score
        kept, scores = kept[passing], scores[passing]
        if not len(kept) and self._nobody is not None:
            return self._nobody
        raw = self._specs[self._boxes].real(outputs[self._boxes].reshape(-1, COORDINATES)[kept])
        sound = np.isfinite(raw).all(axis=1) & (np.abs(raw).max(axis=1, initial=0.0) < LARGEST_COORDINATE)
        kept, raw, scores = kept[sound], raw[sound], scores[sound]
        points = to_corners(raw, self._anchors[kept])
        rows = self._suppress(points, scores)
        points = np.stack([p for _, p in rows]) if rows else points[:0]
        scores = scores[[i for i, _ in rows]]
        mapped = geometry.to_frame(points)
        count = len(mapped)
        found = Detections(
            boxes=mapped[:, :4],
            scores=scores.astype(np.float32),
            class_ids=np.zeros(count, np.int64),
            labels=(label_of(self._labels, 0),) * count,
            keypoints=mapped[:, 4:].reshape(count, len(KEYPOINTS), 2),
            keypoint_names=KEYPOINTS,
        )
        self._nobody = self._nobody if count else found
        return found

    def _suppress(self, points: Array, scores: Array) -> list[tuple[int, Array]]:
        rows = []
        for group in nms.groups(points[:, :4], scores, self._iou)[: self._max_results]:
            weights = scores[group] if self._suppression == "weighted" else np.ones(1, np.float32)
            members = points[group[: len(weights)]]
            rows.append((int(group[0]), (members * weights[:, None]).sum(axis=0) / weights.sum()))
        return rows


def find_outputs(specs: Sequence[TensorSpec]) -> tuple[int, int] | None:
    """Positions of (coordinates, scores), or None where these are not BlazeFace's outputs."""
    boxes = [i for i, spec in enumerate(specs) if len(spec.shape) == 3 and spec.shape[2] == COORDINATES]
    scores = [i for i, spec in enumerate(specs) if len(spec.shape) == 3 and spec.shape[2] == 1]
    if len(specs) != 2 or not boxes or not scores or specs[boxes[0]].shape[1] != specs[scores[0]].shape[1]:
        return None
    return boxes[0], scores[0]


def anchors(input_size: Size, count: int) -> Array:
    """Anchor centres `(count, 2)` x, y in input pixels.

    Strides and anchors per cell of the published graphs: full range one per cell at stride 4; short range two per
    layer at strides 8, 16, 16, 16; back camera the same at 16, 32, 32, 32.

    Raises:
        ModelError: no known arrangement has `count` anchors at this size.
    """
    for layers in (((4, 1),), ((8, 2), (16, 6)), ((16, 2), (32, 6))):
        grids = [_grid(input_size, stride, per_cell) for stride, per_cell in layers]
        if sum(map(len, grids)) == count:
            return np.concatenate(grids)
    raise ModelError(f"BlazeFace with input {input_size[0]}x{input_size[1]} and {count} anchors is not known")


def _grid(input_size: Size, stride: int, per_cell: int) -> Array:
    columns, rows = math.ceil(input_size[0] / stride), math.ceil(input_size[1] / stride)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    centres = np.stack([(x + 0.5) * stride, (y + 0.5) * stride], axis=-1).reshape(-1, 2)
    return np.repeat(centres, per_cell, axis=0)


def to_corners(raw: Array, centres: Array) -> Array:
    """Coded rows `(n, 16)` to x0, y0, x1, y1, keypoints, all in input pixels (anchors have unit size)."""
    points = raw.reshape(len(raw), COORDINATES // 2, 2) + centres[:, None, :]
    half = raw[:, 2:4] / 2
    centre = points[:, 0]
    points = np.concatenate([np.stack([centre - half, centre + half], axis=1), points[:, 2:]], axis=1)
    return points.reshape(len(raw), COORDINATES)
