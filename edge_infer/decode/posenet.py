"""PoseNet: persons with 17 points each, from heat maps and displacements, or from Coral's op that decodes them."""

from collections.abc import Sequence

import numpy as np

from edge_infer.decode.decoder import label_of
from edge_infer.decode.heatmap import HeatMap
from edge_infer.decode.landmarks import nothing, placed
from edge_infer.decode.landmarks_names import BODY_17
from edge_infer.decode.posenet_fields import POINTS, ROOT_SCORE, Heads, find_people, read_fields
from edge_infer.types import Array, Detections, Geometry, Keypoints, TensorSpec


class PoseNetDecoder:
    """Persons with score >= `min_score`, best first, with all their points; their box is around these."""

    task = "pose"

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        heads: Heads,
        labels: Sequence[str] = ("person",),
        *,
        logits: bool,
        min_score: float = 0.15,
        max_results: int = 5,
    ) -> None:
        self._specs = tuple(specs)
        self._heads = heads
        self._heat = HeatMap(specs[heads.heat], logits=logits)
        self._label = label_of(labels, 0)
        self._min_score = min_score
        self._max_results = max_results

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        roots, _ = self._heat.peaks(outputs[self._heads.heat], ROOT_SCORE)
        if not len(roots):
            return people_of(*_NOBODY, self._label)
        fields = read_fields(self._specs, self._heads, self._heat, outputs, geometry.input_size)
        people = [p for p in find_people(fields, roots, self._max_results) if p.score >= self._min_score]
        people.sort(key=lambda person: -person.score)
        points, scores = placed(
            np.array([person.points for person in people], np.float32).reshape(-1, POINTS, 2),
            np.array([person.scores for person in people], np.float32).reshape(-1, POINTS),
            geometry,
        )
        return people_of(points, scores, np.array([person.score for person in people], np.float32), self._label)


class PoseNetSingleDecoder:
    """The points of one person, for models without displacements; none where the mean score is < `min_score`."""

    task = "pose"

    def __init__(self, specs: Sequence[TensorSpec], heads: Heads, *, logits: bool, min_score: float = 0.15) -> None:
        self._specs = tuple(specs)
        self._heads = heads
        self._heat = HeatMap(specs[heads.heat], logits=logits)
        self._min_score = min_score

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Keypoints:
        """Decode one inference: each point where its heat map is largest."""
        fields = read_fields(self._specs, self._heads, self._heat, outputs, geometry.input_size)
        best = fields.scores.reshape(-1, POINTS).argmax(axis=0)
        rows, columns = np.unravel_index(best, fields.scores.shape[:2])
        found = [fields.point(part, int(rows[part]), int(columns[part])) for part in range(POINTS)]
        raw = np.array([point for point, _ in found])[:, ::-1]
        points, scores = placed(raw, np.array([score for _, score in found]), geometry)
        score = float(scores.mean())
        return Keypoints(points, scores, BODY_17, score) if score >= self._min_score else nothing(score)


class PoseNetOpDecoder:
    """What Coral's op PosenetDecoderOp has found: persons with score >= `min_score`, best first.

    Source: libcoral's posenet_decoder_op.cc: points as y, x in input pixels, their scores, scores of persons, count.
    """

    task = "pose"

    def __init__(
        self, labels: Sequence[str] = ("person",), *, min_score: float = 0.0, max_results: int | None = None
    ) -> None:
        self._label = label_of(labels, 0)
        self._min_score = min_score
        self._max_results = max_results

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        scores = outputs[2].reshape(-1)
        count = int(np.clip(np.nan_to_num(outputs[3].reshape(-1)[0]), 0, len(scores)))
        kept = np.flatnonzero(scores[:count] >= self._min_score)
        kept = kept[np.argsort(-scores[kept], kind="stable")][: self._max_results]
        people = outputs[0].reshape(-1, POINTS, 2)[kept, :, ::-1]
        points, point_scores = placed(people, outputs[1].reshape(-1, POINTS)[kept], geometry)
        return people_of(points, point_scores, scores[kept], self._label)


_NOBODY = (
    np.zeros((0, POINTS, 2), np.float32),
    np.zeros((0, POINTS), np.float32),
    np.zeros(0, np.float32),
)


def people_of(points: Array, point_scores: Array, scores: Array, label: str) -> Detections:
    """Persons as objects, each with a box around all its points."""
    count = len(points)
    return Detections(
        boxes=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
        scores=np.clip(scores, 0.0, 1.0).astype(np.float32),
        class_ids=np.zeros(count, np.int64),
        labels=(label,) * count,
        keypoints=points,
        keypoint_names=BODY_17,
        keypoint_scores=point_scores,
    )
