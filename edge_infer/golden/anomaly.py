"""An expected anomaly score: about as large, as a part of what is expected or of the threshold."""

import numpy as np

from edge_infer.golden.comparison import Comparison, Limits, within
from edge_infer.types import Anomaly


def _differences(found: Anomaly, expected: Anomaly, limits: Limits) -> list[str]:
    room = limits.golden.tolerance * max(expected.score, expected.threshold)
    if within(found.score - expected.score, room):
        return []
    return [f"score {found.score:.3g}, {expected.score:.3g} expected"]


ANOMALY = Comparison(
    prediction=Anomaly,
    noun="anomaly score",
    record=lambda prediction: {"score": np.array(prediction.score), "threshold": np.array(prediction.threshold)},
    restore=lambda arrays: Anomaly(float(arrays["score"]), float(arrays["threshold"])),
    differences=_differences,
)
