"""What a YOLO model says of a box, in pixels of its input."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from edge_infer.decode.yolo_layout import Part
from edge_infer.decode.yolo_select import Candidates
from edge_infer.types import Array, Size

# Boxes are shares of the input (0..1), or pixels of it. A share is hardly above 1, YOLOv5's largest possible one 2.3
# ((2 sigmoid)^2 times an anchor of 373 of 640 pixels); of a box in pixels the centre or the size is larger than 4.
LARGEST_SHARE = 4.0


def unit(boxes: Array, size: Size) -> Array:
    """`(2,)`: by what x and y are to be multiplied to become pixels of the input: its size, or 1.

    `boxes` are `(n, 4)` of one frame; most of them decide, since one alone may be nonsense.
    """
    large = int(np.count_nonzero(np.abs(boxes).max(axis=1) > LARGEST_SHARE))
    return np.ones(2, np.float32) if 2 * large > len(boxes) else np.asarray(size, np.float32)


def are_corners(part: Part, outputs: Sequence[Array]) -> bool:
    """Whether four numbers are corners: then the second is right of and below the first, for nearly all cells.

    A box given by centre and size would have to be wider than its centre is far from the left.
    """
    x0, y0, x1, y1 = part.columns(outputs)
    with np.errstate(invalid="ignore"):
        return int(np.count_nonzero((x1 > x0) & (y1 > y0))) > 0.9 * len(x0)


def to_corners(centers: Array) -> Array:
    """Rows of x, y, width, height to x0, y0, x1, y1."""
    half = centers[:, 2:4] / 2
    return np.concatenate([centers[:, :2] - half, centers[:, :2] + half], axis=1)


def from_distances(found: Candidates, grids: Sequence[Size], size: Size) -> Array:
    """`(n, 4)` x0, y0, x1, y1 in input pixels: distances from the cell's middle, each the mean of its distribution.

    `grids` are the levels of the head. Source: Li et al., "Generalized Focal Loss", 2020; Ultralytics' DFL, dist2bbox.
    """
    bins = found.boxes.shape[1] // 4
    logits = found.boxes.reshape(-1, 4, bins)
    shares = np.exp(logits - logits.max(axis=2, keepdims=True))
    distances = (shares @ np.arange(bins, dtype=np.float32)) / shares.sum(axis=2)
    middles, strides = cells_of(tuple(grids), size)
    middle, stride = middles[found.cells], strides[found.cells, None]
    return np.concatenate([(middle - distances[:, :2]) * stride, (middle + distances[:, 2:]) * stride], axis=1)


def from_offsets(found: Candidates, grids: Sequence[Size], size: Size) -> Array:
    """`(n, 4)` centre and size in input pixels. Source: Ge et al., "YOLOX", 2021: demo_postprocess."""
    middles, strides = cells_of(tuple(grids), size)
    stride = strides[found.cells, None]
    centers = (found.boxes[:, :2] + middles[found.cells] - 0.5) * stride
    return np.concatenate([centers, np.exp(found.boxes[:, 2:]) * stride], axis=1)


@lru_cache(maxsize=16)  # a model has at most four levels
def cells_of(grids: tuple[Size, ...], size: Size) -> tuple[Array, Array]:
    """Middles `(n, 2)` x, y of all cells, in strides, and their strides `(n,)` in pixels; row by row."""
    middles, strides = [], []
    for columns, rows in grids:
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        middles.append(np.stack([x, y], axis=-1).reshape(-1, 2) + np.float32(0.5))
        strides.append(np.full(rows * columns, size[0] / columns, np.float32))
    return np.concatenate(middles), np.concatenate(strides)
