"""Boxes of every coding, against scalar arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.yolo_boxes import are_corners, from_distances, from_offsets, to_corners, unit
from edge_infer.decode.yolo_layout import Part
from edge_infer.decode.yolo_select import Candidates
from edge_infer.types import Array

SIZE = (64, 32)
GRIDS = ((8, 4), (4, 2), (2, 1))


def candidates(boxes: Array, at: list[int]) -> Candidates:
    n = len(at)
    return Candidates(boxes, np.ones(n, np.float32), np.zeros(n, np.int64), np.empty((n, 0)), np.array(at, np.int64))


def slow_distances(logits: list[float], cell: int) -> list[float]:
    """Ultralytics' DFL, dist2bbox and make_anchors for one cell."""
    level = 0
    while cell >= GRIDS[level][0] * GRIDS[level][1]:
        cell -= GRIDS[level][0] * GRIDS[level][1]
        level += 1
    x, y, stride = cell % GRIDS[level][0] + 0.5, cell // GRIDS[level][0] + 0.5, 8 << level
    sides = []
    for side in range(4):
        bins = [math.exp(v) for v in logits[16 * side : 16 * side + 16]]
        sides.append(sum(i * v for i, v in enumerate(bins)) / sum(bins))
    left, top, right, bottom = sides
    return [v * stride for v in (x - left, y - top, x + right, y + bottom)]


@given(st.integers(0, 41), st.lists(st.floats(-9, 9, width=16), min_size=64, max_size=64))
def test_distances_are_the_means_of_their_distributions(cell: int, logits: list[float]) -> None:
    boxes = from_distances(candidates(np.array([logits], np.float32), [cell]), GRIDS, SIZE)
    assert boxes[0].tolist() == pytest.approx(slow_distances(logits, cell), rel=1e-4, abs=1e-3)


def test_distances_of_large_logits_do_not_overflow() -> None:
    logits = np.full((1, 64), 3e38, np.float32)
    logits[0, ::16] = -3e38
    with np.errstate(over="ignore"):  # as the decoder has it
        assert np.isfinite(from_distances(candidates(logits, [0]), GRIDS, SIZE)).all()


def test_offsets_count_from_the_upper_left_of_their_cell() -> None:
    raw = np.array([[0.5, 0.25, math.log(2), 0.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    boxes = from_offsets(candidates(raw, [9, 32]), GRIDS, SIZE)  # the second cell of the second row; the next level
    assert boxes.tolist() == [pytest.approx([12, 10, 16, 8]), pytest.approx([0, 0, 16, 16])]


def test_centres_become_corners() -> None:
    assert to_corners(np.float32([[10, 20, 4, 6]])).tolist() == [[8, 17, 12, 23]]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([[0.5, 0.5, 1.0, 1.0]], SIZE),
        ([[0.5, 0.5, 2.3, 2.3]], SIZE),
        ([[3.0, 20.0, 6.0, 40.0]], (1, 1)),
        ([[2.0, 2.0, 4.5, 4.0]], (1, 1)),
        ([[0.5, 0.5, 0.1, 0.1], [0.5, 0.5, 99.0, 0.1], [0.2, 0.1, 0.3, 0.2]], SIZE),  # one is nonsense
        ([], SIZE),
    ],
)
def test_most_boxes_tell_whether_they_are_pixels(boxes: list[list[float]], expected: tuple[int, int]) -> None:
    assert tuple(unit(np.array(boxes, np.float32).reshape(-1, 4), SIZE)) == expected


@given(st.integers(0, 2**32), st.booleans())
def test_corners_are_told_from_centres_by_all_cells_together(seed: int, corners: bool) -> None:
    random = np.random.default_rng(seed)
    middles = random.uniform(0, 640, (2, 2000))
    sizes = random.uniform(1, 100, (2, 2000))
    rows = np.concatenate([middles - sizes / 2, middles + sizes / 2] if corners else [middles, sizes])
    assert are_corners(Part(0, 0, 4, 4, False), [rows[None]]) is corners
