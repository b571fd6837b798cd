"""Masks of objects: each is a weighted sum of prototypes, which all objects of a picture share.

Source: Bolya et al., "YOLACT", 2019; Ultralytics' process_mask_native and crop_mask.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from edge_infer.decode.yolo_layout import Part
from edge_infer.types import Array, Geometry, TensorSpec


def masks(
    coefficients: Array, boxes: Array, part: Part, spec: TensorSpec, output: Array, geometry: Geometry
) -> tuple[Array, ...]:
    """One mask for each of the `boxes` (frame pixels), as `Detection.mask` has it; `coefficients (n, m)`.

    The sum of the prototypes is enlarged linearly to the frame's pixels, and is the object where it is above 0 (a
    sigmoid above 0.5). Only what lies under the box is computed. A pixel belongs to the box where its upper left
    corner does, as in Ultralytics' crop_mask.
    """
    planes = output[0] if part.channels_last else np.moveaxis(output[0], 0, -1)
    rows, columns = planes.shape[:2]
    share = (columns / geometry.input_size[0], rows / geometry.input_size[1])
    # A pixel x of the frame lies at slope * x + start among the prototypes, both counted from middles of pixels.
    slope = [scale * each for scale, each in zip(geometry.scale, share, strict=True)]
    start = [
        ((0.5 - origin) * scale + pad) * each - 0.5
        for origin, scale, pad, each in zip(geometry.origin, geometry.scale, geometry.pad, share, strict=True)
    ]
    return tuple(
        _mask(weights, box, planes, spec, slope, start)
        for weights, box in zip(coefficients, boxes.tolist(), strict=True)
    )


def _mask(
    weights: Array, box: Sequence[float], planes: Array, spec: TensorSpec, slope: list[float], start: list[float]
) -> Array:
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    x0, x1 = _under(left, right, slope[0], start[0], planes.shape[1])
    y0, y1 = _under(top, bottom, slope[1], start[1], planes.shape[0])
    # One column and row at least: a box in the border that a letterbox adds lies under none.
    with np.errstate(over="ignore", invalid="ignore"):
        sums = spec.real(planes[y0:y1, x0:x1]) @ weights
    to_part = np.array(
        [[slope[0], 0, slope[0] * left + start[0] - x0], [0, slope[1], slope[1] * top + start[1] - y0]], np.float64
    )
    large = cv2.warpAffine(
        sums,
        to_part,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mask: Array = large > 0
    for axis, (first, low, high) in enumerate(((top, box[1], box[3]), (left, box[0], box[2]))):
        corners = np.arange(first, first + mask.shape[axis])
        inside = (corners >= low) & (corners < high)
        mask &= inside[:, None] if axis == 0 else inside
    return mask


def _under(first: int, end: int, slope: float, start: float, count: int) -> tuple[int, int]:
    """Which of `count` prototype pixels matter to the frame's pixels `first`..`end`: those beside them, too."""
    low = min(max(math.floor(slope * first + start), 0), count - 1)
    high = max(min(math.floor(slope * (end - 1) + start) + 2, count), low + 1)
    return low, high
