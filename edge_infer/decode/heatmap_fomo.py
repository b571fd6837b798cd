"""FOMO, Edge Impulse's detector of small things: a heat map whose cells are background or a class.

Source: Edge Impulse's inferencing SDK, ei_fill_result_struct.h: cells >= threshold, taken row by row; one that touches
a box of its class, also at a corner, joins the first such box; then the same with the boxes. As the comments there
say, a box grows on all four sides (its code moves a box to the left and upwards, where it should widen it).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.decode.decoder import ClassFilter, check_labels, label_of
from edge_infer.types import Array, Detections, Geometry, TensorSpec


@dataclass
class Patch:
    """A box of cells, and the best score in it."""

    x0: int
    y0: int
    x1: int
    y1: int
    score: float

    def touches(self, other: "Patch") -> bool:
        """Whether they overlap or share an edge or a corner."""
        return not (self.x1 < other.x0 or self.y1 < other.y0 or self.x0 > other.x1 or self.y0 > other.y1)

    def join(self, other: "Patch") -> None:
        """Grow over the other."""
        self.x0, self.y0 = min(self.x0, other.x0), min(self.y0, other.y0)
        self.x1, self.y1 = max(self.x1, other.x1), max(self.y1, other.y1)
        self.score = max(self.score, other.score)


class FomoDecoder:
    """Things with score >= `min_score`, best first: boxes of whole cells; the one keypoint of each is its middle."""

    task = "detect"

    def __init__(
        self,
        spec: TensorSpec,
        labels: Sequence[str],
        *,
        min_score: float = 0.5,
        max_results: int | None = None,
        classes: ClassFilter | None = None,
    ) -> None:
        count = spec.shape[-1] - 1  # the first is the background
        self._labels = tuple(labels[1:] if len(labels) == count + 1 else labels)
        check_labels(self._labels, count, f"output '{spec.name}'")
        self._spec = spec
        self._least = spec.least(min_score)
        self._max_results = max_results
        mask = classes.mask(np.arange(count)) if classes else None
        self._classes = np.arange(count) if mask is None else np.flatnonzero(mask)

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        grid = outputs[0].reshape(outputs[0].shape[-3:])
        found: list[tuple[int, Patch]] = []
        for class_id in self._classes.tolist():
            places = np.argwhere(grid[:, :, class_id + 1] >= self._least)
            scores = self._spec.real(grid[places[:, 0], places[:, 1], class_id + 1])
            patches = (Patch(x, y, x + 1, y + 1, s) for (y, x), s in zip(places.tolist(), scores.tolist(), strict=True))
            found += [(class_id, patch) for patch in fuse(fuse(patches))]
        found = sorted(found, key=lambda one: -one[1].score)[: self._max_results]
        per_cell = np.divide(geometry.input_size, grid.shape[1::-1], dtype=np.float32)
        cells = np.array([(p.x0, p.y0, p.x1, p.y1) for _, p in found], np.float32).reshape(-1, 4)
        boxes = geometry.to_frame(cells * np.tile(per_cell, 2))
        inside = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))  # and not in the border of a letterbox
        boxes, found = boxes[inside], [found[i] for i in inside.tolist()]
        return Detections(
            boxes=boxes,
            scores=np.array([min(1.0, patch.score) for _, patch in found], np.float32),
            class_ids=np.array([class_id for class_id, _ in found], np.int64),
            labels=tuple(label_of(self._labels, class_id) for class_id, _ in found),
            keypoints=((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None],
            keypoint_names=("centroid",),
        )


def fuse(patches: Iterable[Patch]) -> list[Patch]:
    """Each joined to the first before it that it touches."""
    fused: list[Patch] = []
    for patch in patches:
        near = next((one for one in fused if one.touches(patch)), None)
        if near:
            near.join(patch)
        else:
            fused.append(patch)
    return fused
