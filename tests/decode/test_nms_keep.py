"""The fast suppression, against the slow one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode import nms
from edge_infer.types import Array

Rows = list[tuple[int, int, int, int, int, int]]
side, corner = st.integers(1, 12), st.integers(-6, 12)
rows = st.lists(st.tuples(corner, corner, side, side, st.integers(0, 5), st.integers(0, 2)), max_size=25)
thresholds = st.sampled_from([0.0, 0.1001, 0.3001, 0.5001, 0.9001])  # no ratio of small areas: rounding decides nothing


def columns(made: Rows) -> tuple[Array, Array, Array]:
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h, _, _ in made], np.float32).reshape(-1, 4)
    scores = np.array([score for *_, score, _ in made], np.float32) / 8
    return boxes, scores, np.array([class_id for *_, class_id in made], np.int64)


def slow(boxes: Array, scores: Array, threshold: float, classes: Array | None) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        rivals = [j for j in kept if classes is None or classes[i] == classes[j]]
        if all(nms.iou(boxes[i], boxes[[j]])[0] <= threshold for j in rivals):
            kept.append(i)
    return kept


@given(rows, thresholds, st.booleans())
def test_what_is_kept_is_what_slow_arithmetic_keeps(made: Rows, threshold: float, agnostic: bool) -> None:
    boxes, scores, classes = columns(made)
    known = None if agnostic else classes
    assert nms.keep(boxes, scores, threshold, known).tolist() == slow(boxes, scores, threshold, known)


@given(rows, thresholds)
def test_the_best_of_each_group_is_kept(made: Rows, threshold: float) -> None:
    boxes, scores, _ = columns(made)
    assert nms.keep(boxes, scores, threshold).tolist() == [int(g[0]) for g in nms.groups(boxes, scores, threshold)]


@given(rows, st.integers(1, 5))
def test_a_limit_keeps_the_first(made: Rows, limit: int) -> None:
    boxes, scores, classes = columns(made)
    every = nms.keep(boxes, scores, 0.3001, classes).tolist()
    assert nms.keep(boxes, scores, 0.3001, classes, limit).tolist() == every[:limit]


def test_more_than_are_looked_at_first_are_found_where_they_are_needed() -> None:
    count = 2 * nms.FIRST
    boxes = np.tile(np.float32([[0, 0, 10, 10]]), (count, 1))
    boxes[-2:] += np.float32([[50], [100]])
    kept = nms.keep(boxes, np.full(count, 0.5, np.float32), 0.5, None, 3)
    assert kept.tolist() == [0, count - 2, count - 1]


def test_far_class_numbers_and_boxes_left_of_the_frame_do_not_meet() -> None:
    boxes = np.float32([[-500, 0, 900, 10], [-500, 0, 900, 10], [-500, 0, 900, 10]])
    kept = nms.keep(boxes, np.float32([0.9, 0.8, 0.7]), 0.5, np.array([0, 1, 2**31 - 1]))
    assert kept.tolist() == [0, 1, 2]


def test_nothing_is_kept_of_nothing() -> None:
    empty = np.empty((0, 4), np.float32)
    assert nms.keep(empty, empty[:, 0], 0.5, np.empty(0, np.int64), 10).tolist() == []


def test_scores_of_zero_and_below_are_scores() -> None:
    boxes = np.float32([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]])
    assert nms.keep(boxes, np.float32([0, -1, 0]), 0.5).tolist() == [0, 2, 1]


@pytest.mark.parametrize(("count", "limit", "expected"), [(0, 3, []), (10, None, [10]), (5000, 3, [1024, 4096, 5000])])
def test_more_candidates_are_looked_at_each_time(count: int, limit: int | None, expected: list[int]) -> None:
    assert list(nms.prefixes(count, limit)) == expected
