from typing import Any

import numpy as np
import pytest

from edge_infer.prepare.samples import SampleOptions, SamplePreparer
from edge_infer.types import Frame, Span, TensorSpec

SOUND = np.float32([-1.0, -0.5, 0.0, 0.25, 1.0])


@pytest.mark.parametrize(
    ("dtype", "quantised", "expected"),
    [
        (np.float32, {}, SOUND),
        (np.int16, {}, [-32768, -16384, 0, 8192, 32767]),  # as sound cards have it
        (np.int8, {}, [-128, -64, 0, 32, 127]),
        (np.int16, {"scale": (1 / 32768,), "zero_point": (0,)}, [-32768, -16384, 0, 8192, 32767]),
        (np.int8, {"scale": (1 / 64,), "zero_point": (10,)}, [-54, -22, 10, 26, 74]),
    ],
)
def test_sound_is_stored_as_the_input_has_it(dtype: Any, quantised: dict[str, Any], expected: Any) -> None:
    spec = TensorSpec("x", (1, 5), np.dtype(dtype), **quantised)
    frame = Frame("mic", 0, SOUND[:, None], 0.0, 0, span=Span(0, 5, 16000.0, ("mono",)))
    tensor, _ = SamplePreparer(spec, SampleOptions(sound=True))(frame)
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor.ravel(), np.asarray(expected, dtype))
