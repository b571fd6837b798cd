"""How loud a window of sound is."""

import math

import numpy as np

from edge_infer.types import Array

SILENCE_DBFS = -120.0  # less than the last bit of 16 (-90) and of 20 (-114): digital silence


def dbfs(data: Array) -> float:
    """The root mean square of `(samples, channels) float32` in -1..1, of its loudest channel; full scale is 0 dBFS.

    What a constant voltage adds, as cheap microphones have it, is not heard. Samples that are no number are left out.
    """
    if not np.isfinite(data).all():
        data = data[np.isfinite(data).all(axis=1)]
    if not data.size:
        return SILENCE_DBFS
    loudest = float(data.std(axis=0, dtype=np.float64).max())
    return max(SILENCE_DBFS, 20.0 * math.log10(loudest)) if loudest > 0.0 else SILENCE_DBFS
