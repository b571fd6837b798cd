import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.activations import logit, sigmoid, softmax, surely_less


@given(st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=9))
def test_scores_are_those_of_the_formulas(logits: list[float]) -> None:
    values = np.float32(logits)
    highest = max(logits)
    powers = [math.exp(value - highest) for value in logits]
    assert softmax(values).tolist() == pytest.approx([power / sum(powers) for power in powers], abs=1e-6)
    assert sigmoid(values).tolist() == pytest.approx([1 / (1 + math.exp(-value)) for value in logits], abs=1e-6)


def test_softmax_is_along_the_last_axis_and_does_not_overflow() -> None:
    assert softmax(np.float32([[1e4, 0], [0, -1e4]])).tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_infinity_is_no_score() -> None:
    assert np.isnan(softmax(np.float32([np.inf, 0])))[0]


@pytest.mark.parametrize("score", [1e-6, 0.25, 0.5, 0.999])
def test_the_logit_is_what_the_sigmoid_takes_back(score: float) -> None:
    assert sigmoid(np.float64(logit(score))) == pytest.approx(score)


def test_the_logits_of_certainty_are_large_numbers() -> None:
    assert (logit(0.0), logit(1.0)) == (-80.0, 80.0)


@given(
    st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=9),
    st.one_of(st.floats(0, 1), st.floats(0, 1e-30), st.floats(1 - 1e-6, 1), st.sampled_from([0.0, 0.5, 1.0])),
)
def test_what_is_sorted_out_by_its_logit_would_not_have_passed_by_its_score(logits: list[float], score: float) -> None:
    values = np.float32([*logits, 16.7, 17.0, 80.0, -80.0, logit(score), -np.inf, np.inf])
    sorted_out = values[values < surely_less(score)]
    assert not (sigmoid(sorted_out) >= score).any()


def test_what_is_far_below_is_sorted_out() -> None:
    assert surely_less(0.5) == pytest.approx(0.0, abs=0.01)
    assert surely_less(0.99) == pytest.approx(logit(0.99), abs=0.01)
    assert surely_less(0.0) == -np.inf
