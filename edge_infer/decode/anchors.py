"""Anchors: the boxes that a detector's raw numbers are corrections of.

All are `(n, 4) float32`: y, x of the centre, height and width, as a share of the input's sides, in the order of the
detector's outputs: levels from fine to coarse, in each the rows from above, in a row the cells from the left, in a
cell the boxes.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil, sqrt

import numpy as np

from edge_infer.types import Array, Size

LEVELS = range(3, 8)  # of a feature pyramid: cells of 8 to 128 pixels
PYRAMID_RATIOS = (1.0, 2.0, 0.5)

# Source: ssd_mobilenet_v1/v2, ssdlite_mobilenet_v2/v3 and ssdlite_mobiledet of the TensorFlow Object Detection API
# (ssd_anchor_generator in their pipeline.config) and create_ssd_anchors of its multiple_grid_anchor_generator.py.
SSD_LEVELS = 6
SSD_SCALES = (0.2, 0.95)
SSD_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
SSD_LOWEST = ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))  # (scale, ratio): fewer boxes where the cells are most


def ssd_anchors(size: Size) -> Array:
    """Anchors of the SSDs with six feature maps, the finest with cells of 16 pixels: 1917 for 300x300."""
    low, high = SSD_SCALES
    scales = [low + (high - low) * level / (SSD_LEVELS - 1) for level in range(SSD_LEVELS)] + [1.0]
    rows, columns = ceil(size[1] / 16), ceil(size[0] / 16)
    levels = []
    for level, (scale, coarser) in enumerate(pairwise(scales)):
        boxes = [(scale, ratio) for ratio in SSD_RATIOS] + [(sqrt(scale * coarser), 1.0)]
        shapes = [(s / sqrt(ratio), s * sqrt(ratio)) for s, ratio in (SSD_LOWEST if level == 0 else boxes)]
        step = (1 / rows, 1 / columns)
        levels.append(_grid((rows, columns), step, (step[0] / 2, step[1] / 2), _square(shapes, size)))
        rows, columns = ceil(rows / 2), ceil(columns / 2)
    return np.concatenate(levels)


def pyramid_anchors(size: Size) -> Array:
    """Anchors of SSDs with a feature pyramid (ssd_mobilenet_v2_fpnlite, ssd_resnet50_v1_fpn): 12804 for 320x320.

    Source: multiscale_grid_anchor_generator.py of the TensorFlow Object Detection API with anchor_scale 4, aspect
    ratios 1, 2, 0.5 and two scales an octave, as in the pipeline.config of these models. A cell's centre is its
    corner where the cells do not divide the side.
    """
    width, height = size
    levels = []
    for level in LEVELS:
        cell = 2**level
        sides = [4 * cell * 2 ** (octave / 2) for octave in range(2)]
        shapes = [(s / sqrt(ratio) / height, s * sqrt(ratio) / width) for ratio in PYRAMID_RATIOS for s in sides]
        first = [0.0 if side % cell else cell / 2 / side for side in (height, width)]
        cells, step = (ceil(height / cell), ceil(width / cell)), (cell / height, cell / width)
        levels.append(_grid(cells, step, (first[0], first[1]), shapes))
    return np.concatenate(levels)


def efficientdet_levels(size: Size) -> list[tuple[int, int]]:
    """Rows and columns of each of EfficientDet's levels."""
    found = []
    rows, columns = size[1], size[0]
    for level in range(LEVELS.stop):
        if level in LEVELS:
            found.append((rows, columns))
        rows, columns = (rows - 1) // 2 + 1, (columns - 1) // 2 + 1
    return found


def efficientdet_anchors(size: Size, anchor_scale: float) -> list[Array]:
    """Anchors of EfficientDet for each level, nine in a cell.

    Source: efficientdet/tf2/anchors.py of google/automl: three scales an octave, aspect ratios 1, 2, 0.5.
    """
    levels = []
    for rows, columns in efficientdet_levels(size):
        sides = [anchor_scale * 2 ** (octave / 3) for octave in range(3)]  # in cells
        shapes = [(s / sqrt(ratio) / rows, s * sqrt(ratio) / columns) for s in sides for ratio in PYRAMID_RATIOS]
        step = (1 / rows, 1 / columns)
        levels.append(_grid((rows, columns), step, (step[0] / 2, step[1] / 2), shapes))
    return levels


def _square(shapes: Iterable[tuple[float, float]], size: Size) -> list[tuple[float, float]]:
    """Shares of the shorter side as shares of each side."""
    shorter = min(size)
    return [(h * shorter / size[1], w * shorter / size[0]) for h, w in shapes]


def _grid(
    cells: tuple[int, int], step: tuple[float, float], first: tuple[float, float], shapes: Sequence[tuple[float, float]]
) -> Array:
    """The same shapes in each cell."""
    rows = np.arange(cells[0]) * step[0] + first[0]
    columns = np.arange(cells[1]) * step[1] + first[1]
    grid = np.empty((*cells, len(shapes), 4), np.float32)
    grid[..., 0] = rows[:, None, None]
    grid[..., 1] = columns[None, :, None]
    grid[..., 2:] = np.asarray(shapes)
    return grid.reshape(-1, 4)
