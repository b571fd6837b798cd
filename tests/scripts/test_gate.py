"""The gate that a quantised model must pass."""

import pytest
from build_models.gate import Row, verdict

NAN = float("nan")
GOOD = [Row("a face", 0.90, 0.88, 0.97), Row("a face, dim", 0.70, 0.66, 0.96), Row("a wall", 0.02, 0.0, NAN)]


def test_a_model_that_agrees_passes() -> None:
    assert verdict(GOOD) == []


def test_a_toss_up_of_the_float_model_may_go_either_way() -> None:
    assert verdict([*GOOD, Row("a rocket", 0.55, 0.48, 0.9)]) == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (Row("a lost face", 0.64, 0.49, 0.97), "decided otherwise on a lost face"),
        (Row("an invented face", 0.39, 0.52, NAN), "decided otherwise on an invented face"),
        (Row("a face elsewhere", 0.90, 0.90, 0.60), "an IoU of 0.600"),
        (Row("a pinned score", 0.98, 0.80, 0.97), "a score difference of 0.180"),
    ],
)
def test_a_model_that_is_worse_is_refused(row: Row, problem: str) -> None:
    assert any(problem in found for found in verdict([*GOOD, row]))


def test_a_model_that_finds_nothing_is_refused() -> None:
    assert verdict([Row("a face", 0.9, 0.0, NAN), Row("a wall", 0.0, 0.0, NAN)])
