import numpy as np

from edge_infer.decode.tensors import TensorsDecoder
from edge_infer.types import Geometry, TensorSpec

ANYWHERE = Geometry((1, 1), (1, 1))


def test_outputs_are_real_numbers_by_name() -> None:
    specs = [
        TensorSpec("heat", (1, 2), np.dtype(np.uint8), (0.5,), (10,)),
        TensorSpec("", (1,), np.dtype(np.int64)),
    ]
    found = dict(TensorsDecoder(specs)([np.uint8([[10, 12]]), np.array([3])], ANYWHERE))
    assert found["heat"].tolist() == [[0.0, 1.0]]
    assert found["output_1"].tolist() == [3.0]
