"""Masks, against plain loops over the frame's pixels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.decode.yolo_layout import Part
from edge_infer.decode.yolo_masks import masks
from edge_infer.types import Array, Geometry, TensorSpec

ROWS, COLUMNS, COUNT = 6, 8, 3
INPUT = (32, 24)


def slow(weights: Array, box: list[float], real: Array, geometry: Geometry) -> Array:
    """Values whose sign tells, one for each pixel of the box; 0 outside of it."""
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    sums = np.zeros((ROWS, COLUMNS))
    for count in range(COUNT):
        sums += weights[count] * real[:, :, count]
    values = np.zeros((bottom - top, right - left))
    for y in range(top, bottom):
        for x in range(left, right):
            if not (box[0] <= x < box[2] and box[1] <= y < box[3]):
                continue
            u = ((x + 0.5 - geometry.origin[0]) * geometry.scale[0] + geometry.pad[0]) * COLUMNS / INPUT[0] - 0.5
            v = ((y + 0.5 - geometry.origin[1]) * geometry.scale[1] + geometry.pad[1]) * ROWS / INPUT[1] - 0.5
            u0, v0 = math.floor(u), math.floor(v)
            total = 0.0
            for dv, dv_share in ((0, 1 - (v - v0)), (1, v - v0)):
                for du, du_share in ((0, 1 - (u - u0)), (1, u - u0)):
                    at = min(max(v0 + dv, 0), ROWS - 1), min(max(u0 + du, 0), COLUMNS - 1)
                    total += dv_share * du_share * sums[at]
            values[y - top, x - left] = total
    return values


@given(
    st.integers(0, 2**32),
    st.tuples(st.floats(0, 60), st.floats(0, 40), st.floats(0.01, 40), st.floats(0.01, 40)),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=50)
def test_masks_are_those_of_plain_loops(seed: int, where: tuple[float, ...], last: bool, integers: bool) -> None:
    random = np.random.default_rng(seed)
    geometry = Geometry((64, 48), INPUT, origin=(4.0, 2.0), scale=(0.4, 0.4), pad=(2.0, 3.0))
    box = [where[0], where[1], min(where[0] + where[2], 64.0), min(where[1] + where[3], 48.0)]
    quantisation = ((0.02,), (5,)) if integers else ((), ())
    shape = (1, ROWS, COLUMNS, COUNT) if last else (1, COUNT, ROWS, COLUMNS)
    spec = TensorSpec("p", shape, np.dtype(np.int8 if integers else np.float32), *quantisation)
    stored = spec.stored(random.normal(size=shape))
    real = spec.real(stored)[0] if last else np.moveaxis(spec.real(stored)[0], 0, -1)
    weights = random.normal(size=COUNT).astype(np.float32)
    boxes = np.array([box], np.float32)
    (mask,) = masks(weights[None], boxes, Part(0, 0, COUNT, COUNT, last), spec, stored, geometry)
    expected = slow(weights, boxes[0].tolist(), real, geometry)
    assert mask.shape == expected.shape
    # OpenCV enlarges with 1/32 of a pixel: near 0 either sign may be right.
    clear = np.abs(expected) > 0.25 * np.abs(real @ weights).max()
    assert (mask[clear] == (expected[clear] > 0)).all()
    assert not mask[expected == 0].any()


def test_a_box_of_the_border_alone_has_a_mask_of_its_size() -> None:
    spec = TensorSpec("p", (1, ROWS, COLUMNS, COUNT), np.dtype(np.float32))
    geometry = Geometry((64, 48), INPUT, origin=(40.0, 0.0), scale=(0.5, 0.5))
    part = Part(0, 0, COUNT, COUNT, True)
    boxes = np.array([[0, 0, 3, 2], [63.5, 47.5, 64, 48]], np.float32)
    found = masks(np.ones((2, COUNT), np.float32), boxes, part, spec, np.ones(spec.shape, np.float32), geometry)
    assert [mask.shape for mask in found] == [(2, 3), (1, 1)]
    assert found[0].all()


@pytest.mark.parametrize("count", [0, 2])
def test_each_box_has_one_mask(count: int) -> None:
    spec = TensorSpec("p", (1, ROWS, COLUMNS, COUNT), np.dtype(np.float32))
    boxes = np.tile(np.float32([[0, 0, 10, 10]]), (count, 1))
    weights = np.zeros((count, COUNT), np.float32)
    part = Part(0, 0, COUNT, COUNT, True)
    assert len(masks(weights, boxes, part, spec, np.zeros(spec.shape, np.float32), Geometry((64, 48), INPUT))) == count
