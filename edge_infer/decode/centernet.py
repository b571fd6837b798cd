"""CenterNet: objects as peaks of a heat map, with a size and an offset at each place.

Source: Zhou et al., "Objects as Points", 2019: peaks in a 3x3 neighbourhood, the best 100; width, height and offset in
cells of the heat map. TensorFlow's Object Detection API has the same with y before x.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.decode.decoder import ClassFilter, check_labels, label_of
from edge_infer.decode.heatmap import HeatMap
from edge_infer.decode.landmarks import FAR
from edge_infer.types import Array, Detections, Geometry, TensorSpec


@dataclass(frozen=True, slots=True)
class Heads:
    """Where the three outputs are; `y_first` as TensorFlow's Object Detection API writes pairs."""

    heat: int
    size: int
    offset: int
    y_first: bool = False


class CenterNetDecoder:
    """Objects with score >= `min_score`, best first, boxes clipped to the frame."""

    task = "detect"

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        heads: Heads,
        labels: Sequence[str],
        *,
        logits: bool,
        min_score: float = 0.3,
        max_results: int = 100,
        classes: ClassFilter | None = None,
    ) -> None:
        check_labels(labels, specs[heads.heat].shape[-1], f"output '{specs[heads.heat].name}'")
        self._specs = tuple(specs)
        self._heads = heads
        self._heat = HeatMap(specs[heads.heat], logits=logits)
        self._labels = tuple(labels)
        self._min_score = min_score
        self._max_results = max_results
        self._classes = classes
        self._nothing: Detections | None = None  # what is said of each empty scene

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        heat = outputs[self._heads.heat]
        places, scores = self._heat.peaks(heat, self._min_score)
        mask = self._classes.mask(places[:, 2]) if self._classes else None
        if mask is not None:
            places, scores = places[mask], scores[mask]
        if not len(places) and self._nothing is not None:
            return self._nothing
        places, scores = places[: self._max_results], scores[: self._max_results]
        size, offset = (self._pairs(outputs, head, places) for head in (self._heads.size, self._heads.offset))
        known = (np.abs(size) < FAR).all(axis=1) & (np.abs(offset) < FAR).all(axis=1)
        centres = places[known, 1::-1].astype(np.float32) + offset[known]
        half = np.maximum(size[known], 0.0) / 2
        per_cell = np.divide(geometry.input_size, (heat.shape[-2], heat.shape[-3]), dtype=np.float32)
        boxes = np.concatenate([centres - half, centres + half], axis=1) * np.tile(per_cell, 2)
        boxes, scores, class_ids = geometry.to_frame(boxes), scores[known], places[known, 2]
        inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # of some size, and not in the border of a letterbox
        labels = tuple(label_of(self._labels, class_id) for class_id in class_ids[inside].tolist())
        found = Detections(boxes[inside], scores[inside], class_ids[inside], labels)
        self._nothing = self._nothing if len(labels) else found
        return found

    def _pairs(self, outputs: Sequence[Array], head: int, places: Array) -> Array:
        """x, y of an output at these places, in cells."""
        grid = outputs[head].reshape(outputs[head].shape[-3:])
        pairs = self._specs[head].real(grid[places[:, 0], places[:, 1]])
        return pairs[:, ::-1] if self._heads.y_first else pairs
