import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode import nms
from edge_infer.types import Array


@st.composite
def scored_boxes(draw: st.DrawFn) -> tuple[Array, Array]:
    """Boxes on a coarse grid, so that many overlap and some are empty; no two scores are equal."""
    count = draw(st.integers(0, 12))
    corner = st.integers(0, 12)
    rows = draw(st.lists(st.tuples(corner, corner, corner, corner), min_size=count, max_size=count))
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in rows], np.float32).reshape(count, 4)
    scores = np.array(draw(st.permutations(range(1, count + 1))), np.float32) / 16
    return boxes, scores


# No ratio of small areas equals these: rounding decides nothing.
thresholds = st.sampled_from([0.0, 0.1001, 0.3001, 0.5001, 0.9001])


def slow_iou(a: Array, b: Array) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return float(common / union) if union > 0 else 0.0


def slow_groups(boxes: Array, scores: Array, threshold: float) -> list[list[int]]:
    waiting = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    found = []
    while waiting:
        best = waiting[0]
        group = [i for i in waiting if i == best or slow_iou(boxes[best], boxes[i]) > threshold]
        found.append(group)
        waiting = [i for i in waiting if i not in group]
    return found


@given(scored_boxes(), thresholds)
def test_groups_are_those_of_slow_arithmetic(scored: tuple[Array, Array], threshold: float) -> None:
    assert [group.tolist() for group in nms.groups(*scored, threshold)] == slow_groups(*scored, threshold)


@given(scored_boxes(), thresholds)
def test_each_box_is_in_exactly_one_group(scored: tuple[Array, Array], threshold: float) -> None:
    grouped = [int(i) for group in nms.groups(*scored, threshold) for i in group]
    assert sorted(grouped) == list(range(len(scored[0])))


@given(scored_boxes(), thresholds, st.randoms(use_true_random=False))
def test_the_order_of_the_boxes_does_not_matter(scored: tuple[Array, Array], threshold: float, random: object) -> None:
    boxes, scores = scored
    order = list(range(len(boxes)))
    random.shuffle(order)
    shuffled = nms.groups(boxes[order], scores[order], threshold)
    assert [[order[i] for i in group] for group in shuffled] == slow_groups(boxes, scores, threshold)


@given(scored_boxes(), thresholds)
def test_suppressing_again_suppresses_nothing(scored: tuple[Array, Array], threshold: float) -> None:
    boxes, scores = scored
    kept = [int(group[0]) for group in nms.groups(boxes, scores, threshold)]
    again = nms.groups(boxes[kept], scores[kept], threshold)
    assert [group.tolist() for group in again] == [[i] for i in range(len(kept))]


def test_on_equal_scores_the_first_box_wins() -> None:
    boxes = np.float32([[0, 0, 10, 10], [1, 0, 11, 10]])
    assert [group.tolist() for group in nms.groups(boxes, np.float32([0.5, 0.5]), 0.3)] == [[0, 1]]


def test_boxes_that_overlap_just_as_much_as_allowed_both_stay() -> None:
    boxes = np.float32([[0, 0, 2, 1], [1, 0, 3, 1]])
    assert nms.iou(boxes[0], boxes).tolist() == pytest.approx([1.0, 1 / 3])
    assert len(nms.groups(boxes, np.float32([0.9, 0.8]), float(nms.iou(boxes[0], boxes)[1]))) == 2


def test_empty_boxes_overlap_nothing() -> None:
    boxes = np.zeros((2, 4), np.float32)
    assert nms.iou(boxes[0], boxes).tolist() == [0.0, 0.0]
    assert len(nms.groups(boxes, np.float32([0.9, 0.8]), 0.0)) == 2
