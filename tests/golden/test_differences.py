"""What counts as different, prediction by prediction; boxes of older files are in test_golden.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_infer.bundle.manifest import Decode, Golden
from edge_infer.golden.comparison import Limits
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.types import Array, Classes, Detections, Embedding, Keypoints, Mask, Measurements, Tensors

NAN = float("nan")


def differences(compare: str, found: Any, expected: Any, decode: Decode | None = None, **golden: Any) -> list[str]:
    limits = Limits(Golden(file=Path("g"), compare=compare, **golden), decode or Decode(), (200, 100))  # type: ignore[arg-type]
    return COMPARISONS[compare].differences(found, expected, limits)


def proves(compare: str, expected: Any, decode: Decode | None = None) -> bool:
    limits = Limits(Golden(file=Path("g"), compare=compare), decode or Decode(), (200, 100))  # type: ignore[arg-type]
    return COMPARISONS[compare].proves(expected, limits)


def objects(*scores: float, **more: Any) -> Detections:
    """One beside the other, 20 px apart."""
    boxes = np.float32([[20 * i, 0, 20 * i + 10, 10] for i in range(len(scores))]).reshape(-1, 4)
    n = len(scores)
    return Detections(boxes, np.float32(scores), np.zeros(n, int), ("cat",) * n, **more)


def classes(*scores: float, first: int = 0, heads: tuple[str, ...] = (), labels: tuple[str, ...] = ()) -> Classes:
    ids = np.arange(first, first + len(scores))
    return Classes(ids, np.float32(scores), labels or tuple(map(str, ids)), heads)


def points(at: Array, scores: float | Array = 0.9, score: float | None = None) -> Keypoints:
    k = len(at)
    return Keypoints(np.float32(at), np.full(k, scores, np.float32), tuple(f"p{i}" for i in range(k)), score)


HALF = Decode(min_score=0.5)


def test_objects_near_the_threshold_may_be_there_or_not() -> None:
    assert differences("boxes", objects(0.9), objects(0.9, 0.55), HALF) == []
    assert differences("boxes", objects(0.9, 0.55), objects(0.9), HALF) == []
    assert differences("boxes", objects(0.9), objects(0.9, 0.65), HALF) == ["1 objects found, 2 expected"]
    assert differences("boxes", objects(0.9, 0.65), objects(0.9), HALF) == ["2 objects found, 1 expected"]
    assert not proves("boxes", objects(0.55), HALF)
    assert proves("boxes", objects(0.61), HALF)
    assert not proves("boxes", objects())


def test_what_was_cut_off_at_the_end_of_the_list_may_be_another_object() -> None:
    cut = Decode(min_score=0.1, max_results=2)
    other = Detections(
        np.float32([[0, 0, 10, 10], [90, 0, 99, 9]]), np.float32([0.9, 0.42]), np.zeros(2, int), ("cat",) * 2
    )
    assert differences("boxes", other, objects(0.9, 0.4), cut) == []
    assert differences("boxes", other, objects(0.9, 0.4), Decode(min_score=0.1)) != []


def test_two_objects_are_not_the_same_one() -> None:
    twins = Detections(np.float32([[0, 0, 10, 10]] * 2), np.float32([0.9, 0.9]), np.zeros(2, int), ("cat",) * 2)
    assert differences("boxes", objects(0.9), twins) == ["1 objects found, 2 expected"]
    assert differences("boxes", twins, twins) == []


def test_a_score_that_is_no_number_is_a_difference() -> None:
    assert differences("boxes", objects(NAN), objects(0.9)) == ["score nan, 0.90 expected"]
    assert differences("classes", classes(NAN), classes(0.9)) != []
    assert differences("embedding", Embedding(np.float32([NAN])), Embedding(np.float32([1]))) != []
    assert differences("tensors", Tensors({"t": np.float32([NAN])}), Tensors({"t [1]": np.float32([1])})) != []
    assert differences("keypoints", points(np.array([[NAN, 1.0], [3, 3]])), points(np.array([[0, 1], [3, 3]]))) != []


def test_other_labels_are_told_in_one_line() -> None:
    boxes = objects(0.9, 0.8)
    dogs = Detections(boxes.boxes, boxes.scores, boxes.class_ids, ("dog", "dog"))
    assert differences("boxes", dogs, boxes) == ["class 0 is called 'dog', 'cat' expected, and 1 more"]


def test_the_keypoints_of_objects_are_compared() -> None:
    at = np.float32([[[1, 1], [8, 8]]])
    expected = objects(0.9, keypoints=at, keypoint_names=("a", "b"), keypoint_scores=np.float32([[0.9, 0.2]]))
    near = objects(0.9, keypoints=at + np.float32([[[0.4, 0], [90, 90]]]), keypoint_names=("a", "b"))
    assert differences("boxes", near, expected) == [], "of b it is not sure"
    far = objects(0.9, keypoints=at + 4, keypoint_names=("a", "b"))
    assert differences("boxes", far, expected) == [
        "1 of 1 points are not where they are expected (a: 6 px away, at most 3)"
    ]
    assert differences("boxes", objects(0.9), expected) == ["an object has other keypoints than expected"]


def test_turned_boxes_are_compared_as_they_lie() -> None:
    level = np.float32([[[0, 4], [10, 4], [10, 6], [0, 6]]])
    upright = np.float32([[[4, 0], [6, 0], [6, 10], [4, 10]]])
    expected = objects(0.9, corners=level)
    assert differences("boxes", objects(0.9, corners=np.roll(level, 1, axis=1)), expected) == []
    assert differences("boxes", objects(0.9, corners=upright), expected) == [
        "no object where class 0 is expected (overlap 0.11)"
    ]


def test_the_masks_of_objects_are_compared() -> None:
    full, half = np.ones((10, 10), bool), np.ones((10, 10), bool)
    half[5:] = False
    expected = objects(0.9, masks=(full,))
    assert differences("boxes", objects(0.9, masks=(full,)), expected) == []
    problem = "the mask of an object overlaps the expected one by {} only"
    assert differences("boxes", objects(0.9, masks=(half,)), expected) == [problem.format("0.50")]
    assert differences("boxes", objects(0.9), expected) == [problem.format("0.00")]
    shifted = Detections(expected.boxes + 0.4, expected.scores, expected.class_ids, ("cat",), masks=(full[:9],))
    assert differences("boxes", shifted, expected) == []


@pytest.mark.parametrize(
    ("found", "expected", "problem"),
    [
        (classes(0.85, 0.1), classes(0.9, 0.05), None),
        (classes(0.6, 0.3), classes(0.9, 0.05), "class 0 has score 0.60, 0.90 expected"),
        (classes(0.8, 0.1, first=5), classes(0.9, 0.05), "class 0 is not among the best, score 0.90 expected"),
        (classes(0.9), classes(0.9, 0.08), None),
        (classes(0.9), classes(0.9, 0.3), "class 1 is not among the best, score 0.30 expected"),
        (classes(0.9, 0.3), classes(0.9), "class 1 with score 0.30 is not expected"),
        (classes(), classes(0.9), "class 0 is not among the best, score 0.90 expected"),
        (classes(0.9, heads=("hand",)), classes(0.9), "class 0 is not among the best, score 0.90 expected"),
        (classes(), classes(0.09, heads=("hand",)), None),
        (classes(0.5, heads=("hand",)), classes(0.9, heads=("hand",)), "hand: class 0 has score 0.50, 0.90 expected"),
        (classes(0.9, labels=("dog",)), classes(0.9, labels=("cat",)), "class 0 is called 'dog', 'cat' expected"),
        (classes(0.9, labels=("dog",)), classes(0.9, labels=("",)), None),
    ],
)
def test_classes(found: Classes, expected: Classes, problem: str | None) -> None:
    assert (differences("classes", found, expected) or [None])[0] == problem


def test_the_best_class_must_stay_the_best_where_it_is_clear() -> None:
    swapped = Classes(np.array([1, 0]), np.float32([0.53, 0.52]), ("1", "0"))
    assert differences("classes", swapped, classes(0.6, 0.45)) == ["class 1 is the best, 0 expected"]
    assert differences("classes", swapped, classes(0.55, 0.5)) == []


def test_scores_that_anybody_could_give_prove_nothing() -> None:
    assert not proves("classes", classes())
    assert not proves("classes", classes(0.1, 0.09))
    assert proves("classes", classes(0.2, 0.09))


def two_halves(change: int = 0) -> Mask:
    class_map = np.zeros((20, 20), np.uint8)
    class_map[:, 10 + change :] = 1
    return Mask(class_map, ("background", "thing"))


def test_masks() -> None:
    assert differences("mask", two_halves(), two_halves()) == []
    assert differences("mask", two_halves(3), two_halves()) == [
        "85.0% of the pixels are of the expected class",
        "class 0 overlaps what is expected by 0.77 only",
        "class 1 overlaps what is expected by 0.70 only",
    ]
    assert differences("mask", two_halves(2), two_halves(), min_agreement=0.9, min_iou=0.79) == []
    small = Mask(two_halves().class_map[:10], ())
    assert differences("mask", small, two_halves())[0] == "the mask has shape (10, 20), (20, 20) expected"
    renamed = Mask(two_halves().class_map, ("background",))
    assert differences("mask", renamed, two_halves()) == ["class 1 is called '', 'thing' expected"]
    assert proves("mask", two_halves())
    assert not proves("mask", two_halves(10)), "all is background"


BODY = np.array([[10.0, 10], [60, 10], [10, 60]])


def moved(*by: list[int]) -> Array:
    """The first points of BODY, each moved by (x, y)."""
    return BODY[: len(by)] + np.array(by)


def test_keypoints() -> None:
    assert differences("keypoints", points(BODY + 2), points(BODY)) == []
    assert differences("keypoints", points(moved([0, 0], [0, 9], [0, 4])), points(BODY)) == [
        "2 of 3 points are not where they are expected (p1: 9 px away, at most 3)"
    ]
    unsure = points(BODY, np.array([0.9, 0.9, 0.3]))
    assert differences("keypoints", points(moved([0, 0], [0, 0], [99, 9]), unsure.scores), unsure) == []
    assert differences("keypoints", points(BODY, 0.7), points(BODY)) == ["mean score 0.70, 0.90 expected"]
    assert differences("keypoints", points(BODY, score=0.1), points(BODY, score=0.9)) == ["score 0.10, 0.90 expected"]
    assert differences("keypoints", points(BODY), points(BODY, score=0.9)) == ["score nan, 0.90 expected"]
    assert differences("keypoints", points(BODY[:2]), points(BODY)) == ["2 keypoints (p0, p1...), 3 expected"]
    assert not proves("keypoints", points(BODY, 0.4))


def test_one_point_is_measured_by_the_picture() -> None:
    one = points(BODY[:1])
    assert differences("keypoints", points(moved([11, 0])), one) == []
    assert differences("keypoints", points(moved([13, 0])), one) != []


def test_embeddings() -> None:
    a, b = np.float32([1, 0, 0]), np.float32([0.99, 0.1411, 0])
    assert differences("embedding", Embedding(b), Embedding(a)) == []
    assert differences("embedding", Embedding(b), Embedding(a), min_cosine=0.995) == [
        "the cosine with the expected vector is 0.990"
    ]
    assert differences("embedding", Embedding(-a), Embedding(a)) != []
    assert differences("embedding", Embedding(a[:2]), Embedding(a)) == ["a vector of 2 numbers, 3 expected"]
    assert not proves("embedding", Embedding(np.zeros(3, np.float32)))


def measured(*values: float, names: tuple[str, ...] = ("age", "height")) -> Measurements:
    return Measurements(np.float32(values), names[: len(values)], ("a", "cm")[: len(values)])


def test_measurements() -> None:
    assert differences("measurements", measured(31, 190), measured(30, 180)) == []
    assert differences("measurements", measured(40, 180), measured(30, 180)) == ["age is 40 a, 30 expected"]
    assert differences("measurements", measured(0.2), measured(0)) == ["age is 0.2 a, 0 expected"]
    assert differences("measurements", measured(0.2), measured(0), min_tolerance=0.3) == []
    other = measured(30, names=("weight",))
    assert differences("measurements", other, measured(30)) == ["weight measured, age expected"]


def test_tensors() -> None:
    expected = Tensors({"t [4]": np.float32([1, 1, 1, 1])})
    assert differences("tensors", Tensors({"t": np.float32([1.1, 0.9, 1, 1])}), expected) == []
    assert differences("tensors", Tensors({"t": np.float32([2, 1, 1, 1])}), expected) == [
        "t [4] is 0.50 of its length away"
    ]
    zero = Tensors({"t [2]": np.float32([0, 0])})
    assert differences("tensors", Tensors({"t": np.float32([0, 1])}), zero) == ["t [2] is not 0"]
    assert not proves("tensors", zero)
