import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle.calibration import TRANSFORMS, parse_calibration
from edge_infer.errors import ModelError

FILE = "0.9,2.0,-1.0,0.2\n\n1.0,1.0,0.0\n"  # class 1 has no calibration


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def apply(text: str, transform: str, class_ids: list[int], scores: list[float]) -> list[float]:
    calibrated = parse_calibration(text, transform, 0.25).apply(np.array(class_ids), np.array(scores, np.float32))
    assert (calibrated.dtype, calibrated.shape) == (np.float32, (len(scores),))
    return list(calibrated.tolist())


@pytest.mark.parametrize(
    ("transform", "transformed"),
    [("IDENTITY", 0.5), ("LOG", math.log(0.5)), ("INVERSE_LOGISTIC", 0.0)],
)
def test_a_score_goes_through_the_sigmoid_of_its_class(transform: str, transformed: float) -> None:
    assert apply(FILE, transform, [0, 2], [0.5, 0.5]) == pytest.approx(
        [0.9 * sigmoid(2 * transformed - 1), sigmoid(transformed)]
    )


def test_the_inverse_logistic_undoes_a_logistic() -> None:
    scores = [0.1, 0.3, 0.8]
    assert apply("1,1,0\n", "INVERSE_LOGISTIC", [0, 0, 0], scores) == pytest.approx(scores)


def test_a_class_without_a_line_or_beyond_the_file_gets_the_default() -> None:
    assert apply(FILE, "IDENTITY", [1, 3, -1, 10**9], [0.9] * 4) == [0.25] * 4


def test_a_score_must_exceed_the_lowest_score() -> None:
    low, equal, high = apply("1,0,0,0.5\n", "IDENTITY", [0, 0, 0], [0.4, 0.5, 0.6])
    assert (low, equal, high) == (0.25, 0.25, 0.5)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("parameters", ["1,1,0", "1,-1,0", "1,3e38,3e38", "1,-3e38,0", "0,0,0"])
def test_the_scores_0_and_1_give_numbers_and_no_warnings(transform: str, parameters: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(0 <= score <= 1 for score in apply(parameters, transform, [0, 0], [0.0, 1.0]))


@given(st.lists(st.floats(0, 1, width=32), min_size=2), st.sampled_from(TRANSFORMS), st.floats(0.1, 10))
def test_a_rising_sigmoid_keeps_the_order(scores: list[float], transform: str, slope: float) -> None:
    scores.sort()
    calibrated = apply(f"1,{slope},0\n", transform, [0] * len(scores), scores)
    assert calibrated == sorted(calibrated)


def test_no_scores_give_no_scores() -> None:
    assert apply(FILE, "IDENTITY", [], []) == []


def test_lines_of_windows_are_read() -> None:
    assert apply("1,0,0\r\n\r\n1,0,0\r\n", "IDENTITY", [0, 1, 2], [0.5] * 3) == [0.5, 0.25, 0.5]


@pytest.mark.parametrize("line", ["1,2", "1,2,3,4,5", "1,2,x", "nan,1,1", "1,inf,1", "1,1e39,1"])
def test_a_line_that_is_something_else_is_named(line: str) -> None:
    with pytest.raises(ModelError, match=rf"line 2 of the score calibration is '{line}'"):
        parse_calibration(f"1,1,0\n{line}\n", "LOG", 0.0)


def test_an_unknown_transform_is_refused() -> None:
    with pytest.raises(ModelError, match="known are IDENTITY, LOG, INVERSE_LOGISTIC"):
        parse_calibration(FILE, "CUBE", 0.0)
