from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edge_infer.decode.classify import ClassifyDecoder
from edge_infer.decode.tensors import TensorsDecoder
from edge_infer.testing import check_decoder
from edge_infer.types import Array, Classes, Detections, Geometry, Mask, Prediction, Tensors, TensorSpec

SPEC = TensorSpec("scores", (1, 3), np.dtype(np.float32))
OUTPUTS = [np.array([[0.2, 0.7, 0.1]], np.float32)]
GEOMETRY = Geometry((64, 48), (32, 32))


def test_the_classifier_is_a_decoder() -> None:
    check_decoder(lambda: ClassifyDecoder(SPEC, ("a", "b", "c"), top_k=2), OUTPUTS, GEOMETRY)


def test_raw_outputs_are_a_decoder() -> None:
    check_decoder(lambda: TensorsDecoder([SPEC]), OUTPUTS, GEOMETRY)


class Faulty:
    """A decoder with one fault, or none."""

    task = "tensors"
    made = 0

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._calls = 0
        Faulty.made += 1

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Prediction:
        self._calls += 1
        value = outputs[0].copy()
        match self._fault:
            case "changes the outputs":
                outputs[0][...] = 1
            case "remembers":
                value += self._calls
            case "differs from the next one made":
                value += Faulty.made
            case "does not sort":
                return Classes(np.arange(2), np.array([0.1, 0.9], np.float32), ("a", "b"))
            case "gives scores above 1":
                return Classes(np.arange(1), np.array([1.5], np.float32), ("a",))
            case "leaves the frame":
                box = np.array([[0, 0, 65, 10]], np.float32)
                return Detections(box, np.ones(1, np.float32), np.zeros(1, int), ("a",))
            case "gives a mask of the input's size":
                return Mask(np.zeros((32, 32), np.uint8), ("a",))
        return Tensors({"scores": value})


FAULTS: dict[str, Any] = {
    "changes the outputs": "changed the outputs",
    "remembers": "another prediction",
    "differs from the next one made": "another prediction",
    "does not sort": "best does not come first",
    "gives scores above 1": r"do not lie in 0\.\.1",
    "leaves the frame": "do not lie in the frame of 64x48",
    "gives a mask of the input's size": r"mask has shape \(32, 32\)",
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.items(), ids=FAULTS)
def test_the_check_finds_a_decoder_that(fault: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_decoder(lambda: Faulty(fault), OUTPUTS, GEOMETRY)


def test_the_check_finds_nothing_in_a_good_one() -> None:
    check_decoder(lambda: Faulty(""), OUTPUTS, GEOMETRY)
