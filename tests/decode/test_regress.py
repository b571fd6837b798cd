import numpy as np
import pytest

from edge_infer.decode.regress import RegressDecoder
from edge_infer.errors import ModelError
from edge_infer.types import Geometry, Measurement, TensorSpec

ANYWHERE = Geometry((1, 1), (1, 1))
SPECS = [
    TensorSpec("age", (1, 1), np.dtype(np.float32)),
    TensorSpec("size", (1, 2), np.dtype(np.int8), (0.5,), (-10,)),
]
OUTPUTS = [np.float32([[41.5]]), np.int8([[0, -10]])]


def test_numbers_of_all_outputs_are_real_and_have_names_and_units() -> None:
    decoder = RegressDecoder(SPECS, 3, ["age", "width", "height"], ["years", "m", "m"])
    assert list(decoder(OUTPUTS, ANYWHERE)) == [
        Measurement("age", 41.5, "years"),
        Measurement("width", 5.0, "m"),
        Measurement("height", 0.0, "m"),
    ]


def test_units_need_not_be_known() -> None:
    assert [one.unit for one in RegressDecoder(SPECS, 3, "abc", ())(OUTPUTS, ANYWHERE)] == ["", "", ""]


@pytest.mark.parametrize(("names", "units"), [("ab", ()), ((), ()), ("abcd", ()), ("abc", ("m",))])
def test_names_and_units_are_for_all_numbers_or_refused(names: str, units: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match=r"the model estimates 3 numbers, and \d (names|units) are given"):
        RegressDecoder(SPECS, 3, names, units)
