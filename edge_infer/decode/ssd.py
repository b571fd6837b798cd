"""SSD detectors that end in the TFLite_Detection_PostProcess op: NMS is done, four outputs remain."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_infer.decode.decoder import ClassFilter, label_of
from edge_infer.errors import ModelError
from edge_infer.types import Array, Detections, Geometry, TensorSpec

Shape = tuple[int, ...]

CONTRADICTED = "the names in the TFLite metadata contradict them"


@dataclass(frozen=True, slots=True)
class BoxLayout:
    """How four numbers make a box.

    `index[i]` is where the i-th number of `kind` lies in the tensor. The default is the post-processing op's own:
    y0, x0, y1, x1 as a share of the input. Source: BoundingBoxProperties in TFLite's metadata_schema.fbs.
    """

    index: tuple[int, int, int, int] = (1, 0, 3, 2)
    kind: Literal["boundaries", "upper_left", "center"] = "boundaries"
    ratio: bool = True  # else input pixels

    def to_xyxy(self, raw: Array, input_size: tuple[int, int]) -> Array:
        """`(n, 4)` raw numbers to xyxy in model-input pixels."""
        first, second = raw[:, self.index[:2]], raw[:, self.index[2:]]
        if self.kind == "boundaries":
            low, high = first, second
        elif self.kind == "upper_left":
            low, high = first, first + second
        else:
            low, high = first - second / 2, first + second / 2
        boxes = np.concatenate([low, high], axis=1)
        return boxes * np.asarray(input_size * 2, np.float32) if self.ratio else boxes


@dataclass(frozen=True, slots=True)
class OutputOrder:
    """Where each of the four outputs is."""

    boxes: int
    classes: int
    scores: int
    count: int


class SsdDecoder:
    """Boxes with score >= `min_score`, clipped to the frame, best first."""

    task = "detect"

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        order: OutputOrder,
        labels: Sequence[str],
        *,
        min_score: float = 0.5,
        max_results: int | None = None,
        layout: BoxLayout | None = None,
        classes: ClassFilter | None = None,
    ) -> None:
        self._specs = tuple(specs)
        self._order = order
        self._labels = tuple(labels)
        self._least = float(np.float32(min_score))  # scores are float32
        self._max_results = max_results
        self._layout = layout or BoxLayout()
        self._classes = classes

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference.

        Rows are few: Python sorts them sooner than numpy, whose code is cold after a model has run.
        """
        order = self._order
        count = self._count(outputs)
        scores = self._numbers(outputs, order.scores)[:count]
        rows = [row for row, score in enumerate(scores) if score >= self._least]
        if not rows:
            return _nothing()
        classes = self._numbers(outputs, order.classes)
        found = sorted((-scores[row], int(classes[row]) if math.isfinite(classes[row]) else -1, row) for row in rows)
        if self._classes and (mask := self._classes.mask(np.array([class_id for _, class_id, _ in found]))) is not None:
            found = [one for one, wanted in zip(found, mask.tolist(), strict=True) if wanted]
        found = found[: self._max_results]
        raw = self._real(outputs, order.boxes).reshape(-1, 4)[[row for _, _, row in found]]
        boxes = geometry.to_frame(self._layout.to_xyxy(raw, geometry.input_size))
        class_ids = [class_id for _, class_id, _ in found]
        return Detections(
            boxes,
            np.array([-score for score, _, _ in found], np.float32),
            np.array(class_ids, np.int64),
            tuple(label_of(self._labels, class_id) for class_id in class_ids),
        )

    def meant(self, outputs: Sequence[Array]) -> list[Array]:
        """The outputs without the rows that do not count: the op leaves in them what was in memory, even NaN."""
        order, count = self._order, self._count(outputs)
        kept = list(outputs)
        for place, numbers in ((order.boxes, 4), (order.classes, 1), (order.scores, 1)):
            kept[place] = outputs[place].reshape(-1)[: numbers * count]
        return kept

    def _count(self, outputs: Sequence[Array]) -> int:
        """How many rows count; all of them, where the number is none."""
        number = self._numbers(outputs, self._order.count)[0]
        rows = int(outputs[self._order.scores].size)
        return min(max(int(number), 0), rows) if math.isfinite(number) else rows

    def _numbers(self, outputs: Sequence[Array], position: int) -> list[float]:
        numbers: list[float] = self._real(outputs, position).reshape(-1).tolist()
        return numbers

    def _real(self, outputs: Sequence[Array], position: int) -> Array:
        return self._specs[position].real(outputs[position])


def _nothing() -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), ())


def find_order(
    names: Sequence[str] | None, signature: Mapping[str, int] | None, shapes: Sequence[Shape], model: str
) -> tuple[OutputOrder, str]:
    """The order of a post-processed SSD's outputs, and what told it.

    Tried in turn: `names` from the TFLite metadata (location, category, score, number of detections), the `signature`
    (the same names, or those of TensorFlow 2 exports: output_0 count, 1 scores, 2 classes, 3 boxes), the `shapes`. What
    the shapes contradict is not believed.

    Raises:
        ModelError: there are not four outputs, or their shapes fit no known order.
    """
    if len(shapes) != 4:
        raise ModelError(
            f"{model} has {len(shapes)} outputs; a post-processed SSD has 4: boxes, classes, scores, count"
        )
    contradicted = ""
    order = _by_name(names or ())
    if order and _fits(order, shapes):
        return order, "the names in the TFLite metadata"
    if order:
        contradicted = f"; {CONTRADICTED}"
    by_signature = _by_signature(signature or {})
    if by_signature and _fits(by_signature, shapes):
        return by_signature, f"the signature{contradicted}"
    return _by_shape(shapes, model), f"the shapes{contradicted}"


def _fits(order: OutputOrder, shapes: Sequence[Shape]) -> bool:
    """Whether boxes are four numbers each, and the count is one; what has no shape yet fits."""
    boxes, count = shapes[order.boxes], shapes[order.count]
    return not any(shapes) or (len(boxes) == 3 and boxes[-1] == 4 and int(np.prod(count)) == 1)


def is_post_processed(shapes: Sequence[Shape]) -> bool:
    """True for the outputs of a detector that has done all itself: n boxes, n classes, n scores and their number."""
    boxes = [shape for shape in shapes if len(shape) == 3 and shape[0] == 1 and shape[1] > 1 and shape[2] == 4]
    if len(shapes) != 4 or len(boxes) != 1:
        return False
    count = boxes[0][1]
    return sorted(shape for shape in shapes if shape != boxes[0])[1:] == [(1, count)] * 2 and (
        sum(int(np.prod(shape)) == 1 for shape in shapes) == 1
    )


def _by_signature(signature: Mapping[str, int]) -> OutputOrder | None:
    if set(signature) == {f"output_{i}" for i in range(4)}:
        return OutputOrder(*(signature[f"output_{i}"] for i in (3, 2, 1, 0)))
    named = {place: name for name, place in signature.items()}
    return _by_name([named[place] for place in range(4)]) if set(named) == set(range(4)) else None


def _by_name(names: Sequence[str]) -> OutputOrder | None:
    words = {
        "boxes": ("location", "box"),
        "classes": ("categor", "class"),
        "count": ("number", "num_", "count"),
        "scores": ("score",),
    }
    found: dict[str, int] = {}
    for position, name in enumerate(names):
        for role, stems in words.items():
            if any(stem in name.lower() for stem in stems) and role not in found:
                found[role] = position
                break
    return OutputOrder(**found) if len(found) == 4 and len(set(found.values())) == 4 else None


def _by_shape(shapes: Sequence[Shape], model: str) -> OutputOrder:
    """pycoral's rule (adapters/detect.py) with the boxes as a check: the known orders differ in where they are."""
    if not any(shapes):  # dynamic until the first inference: the op's own order
        return OutputOrder(boxes=0, classes=1, scores=2, count=3)
    boxes = [i for i, shape in enumerate(shapes) if len(shape) == 3 and shape[-1] == 4]
    count = [i for i, shape in enumerate(shapes) if int(np.prod(shape)) == 1]
    known = {
        (0, 3): OutputOrder(boxes=0, classes=1, scores=2, count=3),  # the op itself, TensorFlow 1 exports
        (1, 2): OutputOrder(boxes=1, classes=3, scores=0, count=2),  # TensorFlow 2 exports
        (3, 0): OutputOrder(boxes=3, classes=2, scores=1, count=0),  # signature order
    }
    for key, order in known.items():
        if key[0] in boxes and key[1] in count:
            return order
    listed = [list(shape) for shape in shapes]
    raise ModelError(f"the outputs of {model} have shapes {listed}: no known order of boxes, classes, scores, count")
