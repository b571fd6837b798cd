"""The points of one body, hand or face: MediaPipe's landmark models, and what all models of points need.

Source: MediaPipe's graphs tensors_to_pose_landmarks_and_segmentation, hand_landmark_cpu and face_landmark_cpu
(activations, normalize_z), refine_landmarks_from_heatmap_calculator.cc.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.decode.activations import sigmoid
from edge_infer.decode.landmarks_names import BODY_33, HAND_21
from edge_infer.errors import ModelError
from edge_infer.types import Array, Geometry, Keypoints, Size, TensorSpec

BODY_POINTS = 39  # 33 of a body, 2 that say where it is and how it is turned, 4 that nobody uses
KERNEL = 7  # heat map cells across that a point is refined from. Source: the pose graph's kernel_size
FAR = 1e6  # px: a place that no picture has; squares of it are still float32
REFINABLE = 0.5  # Source: default of min_confidence_to_refine


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of landmark model.

    Attributes:
        stride: numbers of each point: x, y, z, and of bodies visibility and presence
        flag_logit: the output that says whether there is one is a logit
        depth_scale: what its z are divided by to be in the unit of x. Source: normalize_z of the graph
    """

    names: tuple[str, ...]
    points: int
    stride: int = 3
    flag_logit: bool = False
    depth_scale: float = 1.0


def _mesh(points: int) -> Layout:
    return Layout(tuple(f"point_{i}" for i in range(points)), points, flag_logit=True)


# By the length of their output of points.
LAYOUTS = {
    5 * BODY_POINTS: Layout(BODY_33, BODY_POINTS, stride=5),
    3 * len(HAND_21): Layout(HAND_21, len(HAND_21), depth_scale=0.4),
    3 * 468: _mesh(468),
    3 * 478: _mesh(478),  # with irises
}


@dataclass(frozen=True, slots=True)
class Places:
    """Which output is which; `heatmap` of bodies only."""

    points: int
    flag: int
    heatmap: int | None = None


class LandmarksDecoder:
    """All points of the one body, hand or face, where there is one with a score >= `min_score`; else none."""

    task = "pose"

    def __init__(self, specs: Sequence[TensorSpec], *, min_score: float = 0.5) -> None:
        places = find_outputs(specs)
        if places is None:
            lengths = ", ".join(map(str, LAYOUTS))
            raise ModelError(f"landmark models have outputs of {lengths} numbers and of 1; this model has other ones")
        self._places = places
        self._specs = tuple(specs)
        self._layout = LAYOUTS[length(specs[places.points])]
        self._min_score = min_score

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Keypoints:
        """Decode one inference."""
        layout = self._layout
        flag = self._specs[self._places.flag].real(outputs[self._places.flag].reshape(1))
        score = float((sigmoid(flag) if layout.flag_logit else np.clip(flag, 0.0, 1.0))[0])
        if not score >= self._min_score:
            return nothing(0.0 if np.isnan(score) else score)
        raw = self._specs[self._places.points].real(outputs[self._places.points]).reshape(layout.points, layout.stride)
        count = len(layout.names)
        points = self._refined(raw[:, :2], outputs, geometry)[:count]
        scores = sigmoid(raw[:count, 3]) if layout.stride == 5 else np.full(count, score, np.float32)
        points, scores = placed(points, scores, geometry)
        depths = np.clip(np.nan_to_num(raw[:count, 2]), -FAR, FAR) / np.float32(geometry.scale[0] * layout.depth_scale)
        return Keypoints(points, scores, layout.names, score, depths)

    def _refined(self, points: Array, outputs: Sequence[Array], geometry: Geometry) -> Array:
        place = self._places.heatmap
        if place is None:
            return points
        return refine(points, self._specs[place].real(outputs[place])[0], geometry.input_size)


def find_outputs(specs: Sequence[TensorSpec]) -> Places | None:
    """Which output is which, or None where these are not a landmark model's.

    Of two that look alike the first is the one: the second are handedness and coordinates in metres.
    """
    points = [i for i, spec in enumerate(specs) if length(spec) in LAYOUTS]
    flags = [i for i, spec in enumerate(specs) if length(spec) == 1]
    if not points or not flags:
        return None
    maps = [
        i
        for i, spec in enumerate(specs)
        if len(spec.shape) == 4 and spec.shape[0] == 1 and spec.shape[3] == BODY_POINTS
    ]
    stride = LAYOUTS[length(specs[points[0]])].stride
    return Places(points[0], flags[0], maps[0] if maps and stride == 5 else None)


def length(spec: TensorSpec) -> int:
    """How many numbers a row of numbers has, `(1, n)` or `(1, 1, 1, n)`; 0 for anything else."""
    flat = len(spec.shape) in (2, 4) and all(side == 1 for side in spec.shape[:-1])
    return spec.shape[-1] if flat else 0


def refine(points: Array, logits: Array, input_size: Size) -> Array:
    """Points `(k, 2)` in input pixels, each moved to the middle of the heat `(rows, columns, k)` around it.

    One whose heat map is nowhere sure, or which lies outside, stays where it is.
    """
    rows, columns = logits.shape[:2]
    per_cell = np.divide(input_size, (columns, rows), dtype=np.float32)
    refined = points.copy()
    shares = np.clip(points, -FAR, FAR) / np.asarray(input_size, np.float32)
    cells = np.trunc(shares * np.array((columns, rows), np.float32))
    inside = ((cells >= 0) & (cells < (columns, rows))).all(axis=1)
    which = np.flatnonzero(inside)
    middles = cells[which].astype(np.intp)
    first = np.maximum(middles - KERNEL // 2, 0)
    sides = np.minimum(middles + KERNEL // 2 + 1, (columns, rows)) - first
    for width, height in dict.fromkeys(map(tuple, sides.tolist())):  # less than the kernel at the border
        alike = np.flatnonzero((sides == (width, height)).all(axis=1))
        parts, (left, top) = which[alike], first[alike].T[:, :, None, None]
        x, y = left + np.arange(width), top + np.arange(height)[:, None]
        heat = sigmoid(logits[y, x, parts[:, None, None]])
        middle = np.stack([(heat * along).reshape(len(heat), -1).sum(axis=1) for along in (x, y)], axis=1)
        middle /= heat.reshape(len(heat), -1).sum(axis=1, keepdims=True)
        sure = heat.max(axis=(1, 2)) >= REFINABLE
        refined[parts[sure]] = middle[sure] * per_cell
    return refined


def placed(points: Array, scores: Array, geometry: Geometry, unit: Size = (1, 1)) -> tuple[Array, Array]:
    """Points `(..., 2)` in units of so many input pixels to the frame, and scores `(...)` to 0..1.

    One that is no number, or far from every picture, is at 0, 0 with a score of 0.
    """
    known = (np.abs(points) < FAR).all(axis=-1) & np.isfinite(scores)
    mapped = geometry.to_frame(
        np.where(known[..., None], points, 0.0).astype(np.float32) * np.asarray(unit, np.float32)
    )
    mapped[~known] = 0.0
    return mapped, np.where(known, np.clip(scores, 0.0, 1.0), 0.0).astype(np.float32)


def nothing(score: float) -> Keypoints:
    """No body, hand or face, and how sure the model is that there is one."""
    return Keypoints(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), (), score)
