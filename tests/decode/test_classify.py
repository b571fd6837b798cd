import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle.calibration import parse_calibration
from edge_infer.decode.classify import ClassifyDecoder, HeadsDecoder
from edge_infer.decode.decoder import ClassFilter, label_of
from edge_infer.errors import ModelError
from edge_infer.types import Array, Geometry, TensorSpec

ANYWHERE = Geometry((1, 1), (1, 1))
LABELS = ("cat", "dog", "", "owl")


def spec(count: int, dtype: type = np.uint8, zero_point: int = 0) -> TensorSpec:
    return TensorSpec("scores", (1, count), np.dtype(dtype), (1 / 256,), (zero_point,))


def decode(decoder: ClassifyDecoder, scores: Array) -> list[tuple[int, float]]:
    classes = decoder([scores.reshape(1, -1)], ANYWHERE)
    return list(zip(classes.class_ids.tolist(), classes.scores.tolist(), strict=True))


def test_equal_scores_keep_the_lower_class_first() -> None:
    decoder = ClassifyDecoder(spec(4), LABELS)
    assert [class_id for class_id, _ in decode(decoder, np.uint8([9, 200, 9, 200]))] == [1, 3, 0, 2]


@given(
    st.one_of(
        st.lists(st.integers(0, 255), min_size=1, max_size=30).map(np.uint8),
        st.lists(st.integers(-128, 127), min_size=1, max_size=30).map(np.int8),
        st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30).map(np.float32),
    ),
    st.integers(1, 10),
)
def test_the_best_classes_come_first_whatever_their_type(stored: Array, top_k: int) -> None:
    of = spec(len(stored), stored.dtype.type)
    real = of.real(stored).tolist()
    best = sorted(range(len(stored)), key=lambda i: (-real[i], i))[:top_k]
    found = decode(ClassifyDecoder(of, (), top_k=top_k, min_score=-1.0), stored)
    assert found == [(i, real[i]) for i in best]


def test_a_score_that_equals_the_threshold_passes() -> None:
    decoder = ClassifyDecoder(spec(3), (), min_score=0.5)
    assert decode(decoder, np.uint8([127, 128, 129])) == [(2, 129 / 256), (1, 0.5)]


def test_a_class_without_a_label_is_its_number() -> None:
    classes = ClassifyDecoder(spec(4), LABELS)([np.uint8([[0, 0, 9, 8]])], ANYWHERE)
    assert classes.labels == ("2", "owl", "cat", "dog")


def test_more_labels_than_classes_are_no_fault() -> None:
    assert ClassifyDecoder(spec(2), LABELS)([np.uint8([[1, 2]])], ANYWHERE).labels == ("dog", "cat")


def test_too_few_labels_are_refused_with_both_numbers() -> None:
    with pytest.raises(ModelError, match="4 labels for the 1001 classes"):
        ClassifyDecoder(spec(1001), LABELS)


@pytest.mark.parametrize(
    ("allow", "deny", "found"),
    [
        (("cat",), (), [0]),
        (("3", "cat"), (), [3, 0]),
        ((), ("owl",), [2, 1, 0]),
        (("owl", "dog"), ("dog",), [3]),
    ],
)
def test_only_allowed_classes_are_reported(allow: tuple[str, ...], deny: tuple[str, ...], found: list[int]) -> None:
    decoder = ClassifyDecoder(spec(4), LABELS, classes=ClassFilter(LABELS, allow, deny))
    assert [class_id for class_id, _ in decode(decoder, np.uint8([1, 2, 3, 4]))] == found


def test_classes_that_are_not_allowed_take_no_place_among_the_best() -> None:
    decoder = ClassifyDecoder(spec(4), LABELS, top_k=1, classes=ClassFilter(LABELS, deny=("owl",)))
    assert [class_id for class_id, _ in decode(decoder, np.uint8([1, 2, 3, 4]))] == [2]


def test_a_filter_for_an_unknown_class_says_which_there_are() -> None:
    with pytest.raises(ModelError, match="no class 'horse'; it has cat, dog, owl"):
        ClassFilter(LABELS, ("horse",))


def test_a_label_that_several_classes_share_means_all_of_them() -> None:
    mask = ClassFilter(("a", "b", "a"), ("a",)).mask(np.arange(3))
    assert mask is not None
    assert mask.tolist() == [True, False, True]


def test_a_filter_that_filters_nothing_says_so() -> None:
    assert ClassFilter(LABELS).mask(np.arange(4)) is None


def test_calibration_is_applied_before_ranking() -> None:
    calibration = parse_calibration("1,10,-5\n\n0.5,10,0\n", "IDENTITY", 0.0)
    found = decode(ClassifyDecoder(spec(3), (), calibrate=calibration.apply), np.uint8([64, 255, 128]))
    # Class 1 has no parameters: the default score. 64/256 = .25: 1/(1+e^2.5); 128/256 = .5: .5/(1+e^-5)
    assert [class_id for class_id, _ in found] == [2, 0, 1]
    assert [score for _, score in found] == pytest.approx([0.49665, 0.07586, 0.0], abs=1e-4)


@pytest.mark.parametrize(("class_id", "label"), [(0, "cat"), (2, "2"), (7, "7"), (-1, "-1")])
def test_every_class_id_has_a_label(class_id: int, label: str) -> None:
    assert label_of(LABELS, class_id) == label


# ------------------------------------------------------------------------------------------------------- logits

FLOAT = np.dtype(np.float32)
LOGITS = [2.0, -1.0, 0.5, 0.5]


def float_spec(count: int) -> TensorSpec:
    return TensorSpec("scores", (1, count), FLOAT)


def test_logits_become_probabilities_that_sum_to_one() -> None:
    found = decode(ClassifyDecoder(float_spec(4), LABELS, activation="softmax"), np.float32(LOGITS))
    powers = [math.exp(value) for value in LOGITS]
    assert [class_id for class_id, _ in found] == [0, 2, 3, 1]
    assert [score for _, score in found] == pytest.approx([powers[i] / sum(powers) for i in (0, 2, 3, 1)])


def test_quantised_logits_are_made_real_before() -> None:
    of = TensorSpec("scores", (1, 3), np.dtype(np.int8), (0.1,), (-5,))
    found = decode(ClassifyDecoder(of, (), activation="softmax"), np.int8([15, -5, -128]))
    powers = [math.exp(value) for value in (2.0, 0.0, -12.3)]
    assert [score for _, score in found] == pytest.approx([power / sum(powers) for power in powers])


def test_several_classes_may_be_right_where_each_has_its_own_sigmoid() -> None:
    found = decode(ClassifyDecoder(float_spec(4), (), activation="sigmoid", min_score=0.5), np.float32(LOGITS))
    expected = [(i, 1 / (1 + math.exp(-LOGITS[i]))) for i in (0, 2, 3)]
    assert found == [(i, pytest.approx(score)) for i, score in expected]


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        ([0.7, 0.2, 0.1], [0.7, 0.2, 0.1]),
        ([1.0005, 0.0, 0.0], [1.0005, 0.0, 0.0]),  # a float16 softmax
        ([2.0, 0.0, 0.0], [0.786986, 0.106507, 0.106507]),
        ([0.5, 0.0, -0.5], [0.506480, 0.307196, 0.186324]),
    ],
)
def test_where_nothing_tells_values_outside_of_zero_to_one_are_logits(values: list[float], scores: list[float]) -> None:
    found = decode(ClassifyDecoder(float_spec(3), (), activation="auto"), np.float32(values))
    assert [score for _, score in found] == pytest.approx(scores, abs=1e-5)


def test_scores_that_are_no_numbers_are_not_reported() -> None:
    nan = float("nan")
    assert decode(ClassifyDecoder(float_spec(3), ()), np.float32([nan, 0.5, nan])) == [(1, 0.5)]
    assert decode(ClassifyDecoder(float_spec(2), (), activation="softmax"), np.float32([np.inf, 1])) == []


@given(st.lists(st.integers(-128, 127), min_size=2, max_size=9), st.floats(0, 1))
def test_the_threshold_is_the_same_in_stored_and_in_real_numbers(stored: list[int], min_score: float) -> None:
    of = spec(len(stored), np.int8, -128)
    values = np.int8(stored)
    found = decode(ClassifyDecoder(of, (), top_k=99, min_score=min_score), values)
    assert (
        sorted(class_id for class_id, _ in found) == np.flatnonzero(of.real(values) >= np.float32(min_score)).tolist()
    )


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("no", "yes"), [("yes", 0.75), ("no", 0.25)]),
        (("yes",), [("yes", 0.75)]),
        ((), [("0", 0.75)]),
    ],
)
def test_one_score_is_of_the_one_class_or_the_second_of_two(
    labels: tuple[str, ...], found: list[tuple[str, float]]
) -> None:
    for of, value, activation in (
        (float_spec(1), np.float32([0.75]), "none"),
        (spec(1), np.uint8([192]), "none"),
        (float_spec(1), np.float32([math.log(3)]), "softmax"),  # of one logit a softmax says nothing
        (float_spec(1), np.float32([math.log(3)]), "auto"),
    ):
        classes = ClassifyDecoder(of, labels, activation=activation)([value.reshape(1, 1)], ANYWHERE)
        assert [(c.label, pytest.approx(c.score)) for c in classes] == found


def test_each_head_has_its_best_classes_and_its_name() -> None:
    heads = {
        "age": ClassifyDecoder(spec(3), ("young", "old", "older"), top_k=2),
        "hat": ClassifyDecoder(float_spec(2), ("no", "yes"), top_k=2, min_score=0.5),
    }
    classes = HeadsDecoder(heads)([np.uint8([[10, 30, 20]]), np.float32([[0.9, 0.1]])], ANYWHERE)
    assert [(c.head, c.label, c.class_id) for c in classes] == [
        ("age", "old", 1),
        ("age", "older", 2),
        ("hat", "no", 0),
    ]
    assert classes.scores.tolist() == pytest.approx([30 / 256, 20 / 256, 0.9])


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1, 1, 4)])
def test_the_shape_of_one_row_does_not_matter(shape: tuple[int, ...]) -> None:
    of = TensorSpec("scores", shape, FLOAT)
    classes = ClassifyDecoder(of, LABELS)([np.float32([0.1, 0.2, 0.3, 0.4]).reshape(shape)], ANYWHERE)
    assert classes.labels[0] == "owl"
