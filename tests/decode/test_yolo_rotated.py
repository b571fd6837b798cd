"""Turned boxes, against scalar arithmetic from the paper and OpenCV's own."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.yolo_rotated import corners, keep_rotated, probiou, regular
from edge_infer.types import Array

side = st.integers(2, 40)
box = st.tuples(st.integers(0, 40), st.integers(0, 40), side, side, st.floats(-4, 4, width=16))


def covariance(row: list[float]) -> tuple[float, float, float]:
    _, _, w, h, angle = row
    a, b = w * w / 12, h * h / 12
    c, s = math.cos(angle), math.sin(angle)
    return a * c * c + b * s * s, a * s * s + b * c * c, (a - b) * c * s


def slow_probiou(one: list[float], other: list[float]) -> float:
    """Equations of the paper, with the epsilons of Ultralytics' batch_probiou."""
    eps = 1e-7
    (a1, b1, c1), (a2, b2, c2) = covariance(one), covariance(other)
    a, b, c = a1 + a2, b1 + b2, c1 + c2
    x, y = other[0] - one[0], other[1] - one[1]
    joint = a * b - c * c
    t1 = (a * y * y + b * x * x) / (joint + eps) / 4
    t2 = c * x * -y / (joint + eps) / 2
    own = math.sqrt(max(a1 * b1 - c1 * c1, 0) * max(a2 * b2 - c2 * c2, 0))
    t3 = math.log(joint / (4 * own + eps) + eps) / 2
    distance = min(max(t1 + t2 + t3, eps), 100.0)
    return 1 - math.sqrt(1 - math.exp(-distance) + eps)


@given(box, box)
def test_probiou_is_that_of_the_paper(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    found = probiou(np.array([one, other], np.float32))
    assert found[0, 1] == pytest.approx(slow_probiou(list(one), list(other)), abs=1e-4)
    assert found[0, 1] == pytest.approx(found[1, 0], abs=1e-6)
    assert found[0, 0] > 0.99


def slow_fast_nms(boxes: Array, scores: Array, threshold: float, classes: Array | None) -> list[int]:
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    for place, i in enumerate(order):
        better = [j for j in order[:place] if classes is None or classes[i] == classes[j]]
        if all(slow_probiou(boxes[j].tolist(), boxes[i].tolist()) < threshold for j in better):
            kept.append(i)
    return kept


@given(st.lists(st.tuples(box, st.integers(0, 8), st.integers(0, 1)), max_size=12), st.booleans())
def test_boxes_go_where_any_better_one_is_alike(rows: list[tuple[tuple[float, ...], int, int]], agnostic: bool) -> None:
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 5)
    scores = np.array([row[1] for row in rows], np.float32)
    classes = None if agnostic else np.array([row[2] for row in rows], np.int64)
    threshold = 0.4321  # nothing comes so near that rounding decides
    assert keep_rotated(boxes, scores, threshold, classes).tolist() == slow_fast_nms(boxes, scores, threshold, classes)


def test_of_many_boxes_the_best_are_kept() -> None:
    boxes = np.array([[100 * i, 0, 20, 10, 0.3] for i in range(3000)], np.float32)
    scores = np.arange(3000, dtype=np.float32)
    assert keep_rotated(boxes, scores, 0.5, None, 5).tolist() == [2999, 2998, 2997, 2996, 2995]


@given(box)
def test_regular_boxes_are_the_same_with_angles_of_a_quarter(row: tuple[float, ...]) -> None:
    given_box = np.array([row], np.float32)
    turned = regular(given_box)
    assert 0 <= turned[0, 4] < np.float32(np.pi / 2) + 1e-6
    same = {tuple(np.round(corner, 1)) for corner in corners(given_box)[0].tolist()}
    for corner in corners(turned)[0].tolist():
        assert min(math.dist(corner, other) for other in same) < 0.2


@given(box)
def test_corners_are_those_of_opencv(row: tuple[float, ...]) -> None:
    x, y, w, h, angle = row
    expected = cv2.boxPoints(((x, y), (w, h), math.degrees(angle)))
    for corner in corners(np.array([row], np.float32))[0]:
        assert min(math.dist(corner, other) for other in expected) < 0.01
