"""Full-integer quantisation by the calibrator that LiteRT's wheel carries: no TensorFlow needed."""

from collections.abc import Iterable

import numpy as np
from ai_edge_litert import _pywrap_tensorflow_lite_calibration_wrapper as calibration

from edge_infer.types import Array


def quantise(data: bytes, samples: Iterable[Array], io_type: str = "uint8") -> bytes:
    """A model with int8 weights and activations, int32 biases, and `io_type` inputs and outputs.

    Args:
        data: the float model; the calibrator points into these bytes, so they must outlive it (they do: our caller's)
        samples: inputs as the model takes them, `(1, height, width, 3) float32`
        io_type: of inputs and outputs
    """
    calibrator = calibration.CalibrationWrapper(data, [], [])
    for number, sample in enumerate(samples):
        if number == 0:
            calibrator.Prepare([list(sample.shape)])
        calibrator.FeedTensor([sample])
    io, int8, int32 = (np.dtype(name).num for name in (io_type, "int8", "int32"))
    return bytes(calibrator.QuantizeModel(io, io, False, int8, int32, False, False))
