"""MoveNet: the 17 points of one person, or of up to six.

Source: the model cards of MoveNet.SinglePose and MoveNet.MultiPose (TensorFlow Hub): y, x, score of each point and
y0, x0, y1, x1, score of each person, as a share of the input.
"""

from collections.abc import Sequence

import numpy as np

from edge_infer.decode.decoder import label_of
from edge_infer.decode.landmarks import FAR, nothing, placed
from edge_infer.decode.landmarks_names import BODY_17
from edge_infer.types import Array, Detections, Geometry, Keypoints, TensorSpec

POINTS = len(BODY_17)
PERSON = 3 * POINTS + 5  # numbers of each person of MultiPose


class MoveNetDecoder:
    """All points of the one person; none where the mean of their scores is < `min_score`."""

    task = "pose"

    def __init__(self, spec: TensorSpec, *, min_score: float = 0.0) -> None:
        self._spec = spec
        self._min_score = min_score

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Keypoints:
        """Decode one inference."""
        raw = self._spec.real(outputs[0].reshape(POINTS, 3))
        points, scores = placed(raw[:, 1::-1], raw[:, 2], geometry, geometry.input_size)
        # The model does not say whether there is anybody: the mean is what TensorFlow's own examples take.
        score = float(scores.mean())
        return Keypoints(points, scores, BODY_17, score) if score >= self._min_score else nothing(score)


class MoveNetMultiDecoder:
    """Persons with score >= `min_score`, best first, with all their points."""

    task = "pose"

    def __init__(
        self,
        spec: TensorSpec,
        labels: Sequence[str] = ("person",),
        *,
        min_score: float = 0.25,
        max_results: int | None = None,
    ) -> None:
        self._spec = spec
        self._label = label_of(labels, 0)
        self._min_score = min_score
        self._max_results = max_results

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        stored = outputs[0].reshape(-1, PERSON)
        kept = np.flatnonzero(stored[:, -1] >= self._spec.least(self._min_score))
        raw = self._spec.real(stored[kept])
        raw = raw[(np.abs(raw[:, -5:]) < FAR).all(axis=1)]
        raw = raw[np.argsort(-raw[:, -1], kind="stable")][: self._max_results]
        count = len(raw)
        people = raw[:, :-5].reshape(count, POINTS, 3)
        points, scores = placed(people[..., 1::-1], people[..., 2], geometry, geometry.input_size)
        corners = raw[:, -5:-1].reshape(count, 2, 2)[..., ::-1] * np.asarray(geometry.input_size, np.float32)
        return Detections(
            boxes=geometry.to_frame(corners.reshape(count, 4)),
            scores=np.clip(raw[:, -1], 0.0, 1.0),
            class_ids=np.zeros(count, np.int64),
            labels=(self._label,) * count,
            keypoints=points,
            keypoint_names=BODY_17,
            keypoint_scores=scores,
        )
