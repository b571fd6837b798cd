import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_infer.decode.activations import logit, sigmoid
from edge_infer.decode.heatmap import HeatMap, is_probability
from edge_infer.types import Array, TensorSpec

FLOAT, INT8, UINT8 = np.dtype(np.float32), np.dtype(np.int8), np.dtype(np.uint8)


def spec(shape: tuple[int, ...], dtype: np.dtype[np.generic] = FLOAT, *quantization: float) -> TensorSpec:
    scale, zero_point = ((quantization[0],), (int(quantization[1]),)) if quantization else ((), ())
    return TensorSpec("heat", shape, dtype, scale, zero_point)


def peaks_by_hand(scores: Array, min_score: float) -> set[tuple[int, int, int]]:
    """Cells >= the threshold that no neighbour exceeds, found one by one."""
    rows, columns, channels = scores.shape
    found = set()
    for y in range(rows):
        for x in range(columns):
            for c in range(channels):
                around = [
                    scores[y + dy, x + dx, c]
                    for dy in (-1, 0, 1)
                    for dx in (-1, 0, 1)
                    if 0 <= y + dy < rows and 0 <= x + dx < columns
                ]
                if scores[y, x, c] >= np.float32(min_score) and scores[y, x, c] >= max(around):
                    found.add((y, x, c))
    return found


STORED = hnp.arrays(np.int8, st.tuples(st.just(1), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)))


@given(stored=STORED, logits=st.booleans(), scale=st.sampled_from([1 / 256, 0.03, 0.5]), min_score=st.floats(0, 1))
@example(stored=np.zeros((1, 1, 1, 1), np.int8), logits=True, scale=0.5, min_score=1.0)
def test_peaks_are_those_that_a_plain_search_finds(stored: Array, logits: bool, scale: float, min_score: float) -> None:
    """Stored values that stand for the same score, at the ends of the sigmoid, are peaks by their stored value."""
    heat = HeatMap(spec(stored.shape, INT8, scale, -128), logits=logits)
    places, scores = heat.peaks(stored, min_score)
    allowed = peaks_by_hand(heat.scores(stored)[0], min_score)
    largest = peaks_by_hand(stored[0].astype(np.float32), -1e9)
    assert {tuple(place) for place in places.tolist()} == allowed & largest
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)


@given(score=st.floats(0, 1))
def test_a_logit_is_the_inverse_of_the_sigmoid(score: float) -> None:
    assert float(sigmoid(np.array(logit(score)))) == pytest.approx(score, abs=1e-6)


def test_nan_is_no_peak_and_hides_none() -> None:
    stored = np.full((1, 3, 3, 1), 0.1, np.float32)
    stored[0, 1, 1], stored[0, 1, 2] = np.nan, 0.9
    places, scores = HeatMap(spec(stored.shape), logits=False).peaks(stored, 0.5)
    assert places.tolist() == [[1, 2, 0]]
    assert scores.tolist() == [np.float32(0.9)]


def test_equal_scores_come_row_by_row() -> None:
    places, _ = HeatMap(spec((1, 2, 3, 1)), logits=False).peaks(np.ones((1, 2, 3, 1), np.float32), 0.5)
    assert places[:, :2].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize(
    ("tensor", "operator", "expected"),
    [
        (spec((1, 2, 2, 1)), "LOGISTIC", True),
        (spec((1, 2, 2, 1)), "SOFTMAX", True),
        (spec((1, 2, 2, 1)), "CONV_2D", False),
        (spec((1, 2, 2, 1), INT8, 1 / 256, -128), "CONV_2D", True),
        (spec((1, 2, 2, 1), UINT8, 1 / 256, 0), "", True),
        (spec((1, 2, 2, 1), UINT8, 0.05, 128), "CONV_2D", False),
        (spec((1, 2, 2, 1), UINT8, 0.05, 0), "CONV_2D", False),
    ],
)
def test_scores_are_told_from_logits_by_operator_and_range(tensor: TensorSpec, operator: str, expected: bool) -> None:
    assert is_probability(tensor, operator) is expected
