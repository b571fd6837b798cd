"""Detectors that give corrections of anchors, and a score for each class: NMS is still to be done."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.decode.activations import sigmoid, softmax, surely_less
from edge_infer.decode.classify import Activation
from edge_infer.decode.decoder import ClassFilter, label_of
from edge_infer.decode.nms import keep
from edge_infer.types import Array, Detections, Geometry, TensorSpec

LARGEST_LOGARITHM = 30.0  # exp of more, times any anchor, is beyond every picture


@dataclass(frozen=True)
class Level:
    """A part of the outputs.

    Attributes:
        boxes, scores: the places of its two outputs
        anchors: `(n, 4) float32` y, x of the centre, height, width as a share of the input
    """

    boxes: int
    scores: int
    anchors: Array


@dataclass(frozen=True, slots=True)
class BoxCoder:
    """How raw numbers y, x, height, width correct an anchor.

    Source: faster_rcnn_box_coder.py of the TensorFlow Object Detection API; the numbers are those of its SSDs.
    """

    scales: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    exponential: bool = True

    def to_xyxy(self, raw: Array, anchors: Array) -> Array:
        """`(n, 4)` boxes as a share of the input."""
        numbers = raw / np.asarray(self.scales, np.float32)
        sizes = numbers[:, 2:]
        if self.exponential:
            sizes = np.exp(np.minimum(sizes, LARGEST_LOGARITHM))
        centres = numbers[:, :2] * anchors[:, 2:] + anchors[:, :2]
        halves = sizes * anchors[:, 2:] / 2.0
        return np.concatenate([centres - halves, centres + halves], axis=1)[:, [1, 0, 3, 2]]


class RawSsdDecoder:
    """The best class of each anchor, where its score is >= `min_score`; one box for each object, best first."""

    task = "detect"

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        levels: Sequence[Level],
        columns: Sequence[int],
        labels: Sequence[str],
        *,
        coder: BoxCoder,
        activation: Activation,
        min_score: float = 0.5,
        max_results: int = 100,
        iou: float = 0.6,
        agnostic: bool = False,
        classes: ClassFilter | None = None,
    ) -> None:
        """`columns`: the class id that each column of the scores has, -1 for the background's."""
        ids = np.asarray(columns)
        reported = ids >= 0
        if classes is not None and (mask := classes.mask(ids)) is not None:
            reported &= mask
        self._specs = tuple(specs)
        self._levels = tuple(levels)
        self._class_ids = ids
        self._reported = np.flatnonzero(reported)
        self._columns = _columns(self._reported)
        self._labels = tuple(labels)
        self._coder = coder
        self._activation = activation
        self._min_score = min_score
        self._max_results = max_results
        self._iou = iou
        self._agnostic = agnostic
        self._nothing: Detections | None = None  # what is said of each empty scene

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        activation = self._activation_of(outputs)
        found = [self._level(outputs, level, activation) for level in self._levels]
        shares, scores, class_ids = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if not len(scores) and self._nothing is not None:
            return self._nothing
        boxes = shares * np.asarray(geometry.input_size * 2, np.float32)
        kept = keep(boxes, scores, self._iou, None if self._agnostic else class_ids, self._max_results)
        kept = kept[np.lexsort((class_ids[kept], -scores[kept]))]
        labels = tuple(label_of(self._labels, i) for i in class_ids[kept].tolist())
        objects = Detections(geometry.to_frame(boxes[kept]), scores[kept], class_ids[kept], labels)
        self._nothing = self._nothing if len(kept) else objects
        return objects

    def _activation_of(self, outputs: Sequence[Array]) -> Activation:
        """Of this result: `auto` is told by its values."""
        if self._activation != "auto":
            return self._activation
        scores = [outputs[level.scores] for level in self._levels]
        known = all(float(part.min()) >= 0.0 and float(part.max()) <= 1.0 for part in scores)
        return "none" if known else "sigmoid"

    def _level(self, outputs: Sequence[Array], level: Level, activation: Activation) -> tuple[Array, Array, Array]:
        """Boxes as a share of the input, scores and class ids of what passes the threshold."""
        stored = outputs[level.scores].reshape(len(level.anchors), -1)
        rows, scores, class_ids = self._passing(stored, self._specs[level.scores], activation)
        raw = self._specs[level.boxes].real(outputs[level.boxes].reshape(len(level.anchors), -1)[rows, :4])
        shares = self._coder.to_xyxy(raw, level.anchors[rows])
        sound = np.isfinite(shares).all(axis=1) & (shares[:, 2:] > shares[:, :2]).all(axis=1)
        return shares[sound], scores[sound], class_ids[sound]

    def _passing(self, stored: Array, spec: TensorSpec, activation: Activation) -> tuple[Array, Array, Array]:
        """Rows, scores and class ids; all but the rows that might pass is left in stored values."""
        if activation == "softmax":  # each score depends on all logits of its row
            rows = np.arange(len(stored))
            every = softmax(spec.real(stored))[:, self._columns]
        else:
            some = stored[:, self._columns]
            least = surely_less(self._min_score) if activation == "sigmoid" else self._min_score
            high = np.flatnonzero(some >= spec.least(least)) // max(1, some.shape[1])  # without NaN
            rows = high[np.flatnonzero(np.diff(high, prepend=-1))]  # each once
            every = spec.real(some[rows])
            if activation == "sigmoid":
                every = sigmoid(every)
        if not every.size:
            return np.empty(0, np.intp), np.empty(0, np.float32), np.empty(0, np.int64)
        columns = every.argmax(axis=1)
        scores = every[np.arange(len(every)), columns]
        passing = scores >= self._min_score
        return rows[passing], scores[passing], self._class_ids[self._reported[columns[passing]]]


def _columns(places: Array) -> slice | Array:
    """Ascending places as a slice where they lie side by side: that takes a view and no copy."""
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
