import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle.calibration import parse_calibration
from edge_infer.decode.classify import ClassifyDecoder
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
