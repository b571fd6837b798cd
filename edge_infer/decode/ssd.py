"""SSD detectors that end in the TFLite_Detection_PostProcess op: NMS is done, four outputs remain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_infer.decode.decoder import ClassFilter, label_of
from edge_infer.errors import ModelError
from edge_infer.types import Array, Detections, Geometry, TensorSpec

Shape = tuple[int, ...]


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
        self._min_score = min_score
        self._max_results = max_results
        self._layout = layout or BoxLayout()
        self._classes = classes

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Detections:
        """Decode one inference."""
        order = self._order
        count = int(self._real(outputs, order.count).reshape(-1)[0])
        scores = self._real(outputs, order.scores).reshape(-1)[:count]
        class_ids = self._real(outputs, order.classes).reshape(-1)[:count].astype(np.int64)
        keep = scores >= self._min_score
        mask = self._classes.mask(class_ids) if self._classes else None
        if mask is not None:
            keep &= mask
        kept = np.flatnonzero(keep)
        kept = kept[np.lexsort((class_ids[kept], -scores[kept]))][: self._max_results]
        raw = self._real(outputs, order.boxes).reshape(-1, 4)[kept]
        boxes = geometry.to_frame(self._layout.to_xyxy(raw, geometry.input_size))
        labels = tuple(label_of(self._labels, i) for i in class_ids[kept].tolist())
        return Detections(boxes, scores[kept], class_ids[kept], labels)

    def _real(self, outputs: Sequence[Array], position: int) -> Array:
        return self._specs[position].real(outputs[position])


def find_order(
    names: Sequence[str] | None, signature: Mapping[str, int] | None, shapes: Sequence[Shape], model: str
) -> tuple[OutputOrder, str]:
    """The order of a post-processed SSD's outputs, and what told it.

    Tried in turn: `names` from the TFLite metadata (location, category, score, number of detections), the
    `signature` of TensorFlow 2 exports (output_0 count, 1 scores, 2 classes, 3 boxes), the `shapes`.

    Raises:
        ModelError: there are not four outputs, or their shapes fit no known order.
    """
    if len(shapes) != 4:
        raise ModelError(
            f"{model} has {len(shapes)} outputs; a post-processed SSD has 4: boxes, classes, scores, count"
        )
    order = _by_name(names or ())
    if order:
        return order, "the names in the TFLite metadata"
    if signature and set(signature) == {f"output_{i}" for i in range(4)}:
        by_signature = OutputOrder(*(signature[f"output_{i}"] for i in (3, 2, 1, 0)))
        if not any(shapes) or len(shapes[by_signature.boxes]) == 3:
            return by_signature, "the signature"
    return _by_shape(shapes, model), "the shapes"


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
