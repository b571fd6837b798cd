"""Semantic segmentation: the class of each pixel.

The class is decided at the model's size, in stored values: with as many logits as classes their argmax is the same
before and after any activation. What comes to the frame's size is the class, by the nearest pixel, so that no class
appears between two others.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from edge_infer.decode.activations import logit
from edge_infer.decode.classify import Activation
from edge_infer.decode.decoder import ClassFilter, check_labels
from edge_infer.errors import ModelError
from edge_infer.types import Array, Geometry, Mask, TensorSpec

_SAME_SIZE = {1: np.uint8, 2: np.uint16, 4: np.int32, 8: np.float64}  # what OpenCV moves, by bytes of a value
BACKGROUND = 0  # what lies outside the region of interest, too, and what may not be reported


class SegmentDecoder:
    """A class map of the captured frame's size.

    Takes class ids `(1, h, w)` or `(1, h, w, 1)` integers; scores or logits `(1, h, w, C)`, or `(1, C, h, w)`; or one
    score for each pixel, `(1, h, w, 1)` or `(1, h, w)`: class 1 where it is >= `min_score`.
    """

    task = "segment"

    def __init__(
        self,
        spec: TensorSpec,
        shape: Sequence[int],
        labels: Sequence[str],
        *,
        min_score: float = 0.5,
        classes: ClassFilter | None = None,
        activation: Activation = "none",
        channels_first: bool = False,
    ) -> None:
        """`shape` is that of the array; `activation` matters for one score for each pixel only.

        Raises:
            ModelError: the output holds no pixels, or the labels do not fit.
        """
        if len(shape) not in (3, 4) or shape[0] != 1 or min(shape) < 1:
            raise ModelError(
                f"output '{spec.name}' has shape {list(shape)}; segmentation needs [1, height, width] or "
                "[1, height, width, classes]"
            )
        self._spec = spec
        self._axis = 0 if channels_first else -1
        channels = 1 if len(shape) == 3 else shape[1 if channels_first else 3]
        self._size = tuple(shape[2:4] if channels_first else shape[1:3])
        self._binary = channels == 1 and not holds_ids(spec)
        self._ids = channels == 1 and holds_ids(spec)
        if self._binary and len(labels) == 1:
            labels = ("background", *labels)
        if not self._ids:
            check_labels(labels, max(2, channels), f"output '{spec.name}'")
        self._labels = tuple(labels)
        self._least = spec.least(logit(min_score) if activation in ("sigmoid", "softmax") else min_score)
        self._count = max(2, channels, len(labels)) if not self._ids else 1 << 16
        self._kept = _kept(classes, self._count)
        self.reduce: Mapping[int, Callable[[Array], Array]] = {0: self.class_ids}

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Mask:
        """Decode one inference; `outputs[0]` is what `class_ids` has made of the output."""
        return Mask(on_frame(outputs[0], geometry), self._labels)

    def class_ids(self, stored: Array) -> Array:
        """`(h, w) uint8 or uint16` classes of the stored output; of equal scores the lower class."""
        if self._ids:
            ids = _narrow(stored.reshape(self._size))
        elif self._binary:
            ids = (stored.reshape(self._size) >= self._least).astype(np.uint8)  # False for NaN
        else:
            ids = _best(stored[0], self._axis)
        return ids if self._kept is None else self._kept[ids]


def holds_ids(spec: TensorSpec) -> bool:
    """True where integers are class ids and stand for no other numbers."""
    return spec.dtype.kind in "iu" and not spec.quantized


def on_frame(class_map: Array, geometry: Geometry) -> Array:
    """A class map of the model's input on the captured frame, by the nearest pixel; elsewhere it is BACKGROUND."""
    width, height = geometry.frame_size
    first_row, rows = _places(geometry, 1, class_map.shape[0])
    first_column, columns = _places(geometry, 0, class_map.shape[1])
    part = class_map.take(columns, axis=1, mode="clip").take(rows, axis=0, mode="clip")  # the fastest: 0.4 ms for 720p
    if part.shape == (height, width):
        return part
    whole = np.zeros((height, width), class_map.dtype)
    whole[first_row : first_row + len(rows), first_column : first_column + len(columns)] = part
    return whole


def _places(geometry: Geometry, axis: int, cells: int) -> tuple[int, Array]:
    """Where the crop begins on an axis of the frame, and the cell of the map for each of its pixels."""
    first = round(geometry.origin[axis])
    size = geometry.crop[axis] if geometry.crop else geometry.frame_size[axis] - first
    centres = (np.arange(size) + 0.5) * geometry.scale[axis] + geometry.pad[axis]
    found = np.floor(centres * cells / geometry.input_size[axis]).astype(np.intp)
    return first, np.clip(found, 0, cells - 1)


def _narrow(ids: Array) -> Array:
    """A copy of class ids in as few bytes as they need; what is negative is no class."""
    if ids.dtype == np.uint8:
        return ids.copy()
    highest = int(ids.max())
    kept = ids if ids.dtype.kind == "u" or int(ids.min()) >= 0 else np.maximum(ids, BACKGROUND)
    return kept.astype(np.uint8 if highest < 256 else np.uint16)


def _best(scores: Array, axis: int) -> Array:
    channels = scores.shape[axis]
    if channels == 2:  # the rule, and four times as fast
        one, two = (scores.take(place, axis=axis) for place in range(2))
        second: Array = (two > one).astype(np.uint8)
        return second
    planes = scores if axis == 0 else _planes(scores)
    best = planes.max(axis=0)
    # The first that is the best: how many channels before it are not. argmax takes four times as long.
    ids: Array = np.zeros(best.shape, np.uint8 if channels < 256 else np.uint16)
    worse = np.ones(best.shape, bool)
    for plane in planes:
        worse &= plane != best
        ids += worse
    if scores.dtype.kind == "f":
        ids[worse] = BACKGROUND  # where one is NaN, so is the best, which is equal to nothing
    return ids.astype(np.uint8 if channels <= 256 else np.uint16, copy=False)


def _planes(scores: Array) -> Array:
    """`(h, w, C)` as `(C, h, w)`, each plane whole in memory."""
    rows = scores.reshape(-1, scores.shape[-1])
    turned = cv2.transpose(rows.view(_SAME_SIZE[rows.dtype.itemsize]))
    return np.asarray(turned).view(scores.dtype).reshape(scores.shape[-1], *scores.shape[:-1])


def _kept(classes: ClassFilter | None, count: int) -> Array | None:
    """What each class becomes: itself where it may be reported, else BACKGROUND; None: all may."""
    every = np.arange(count)
    mask = classes.mask(every) if classes else None
    if mask is None:
        return None
    return np.where(mask, every, BACKGROUND).astype(np.uint8 if count <= 256 else np.uint16)
