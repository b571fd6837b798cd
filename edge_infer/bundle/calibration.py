"""Score calibration: from what a model says to how often it is right, class by class."""

import math
from dataclasses import dataclass

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.types import Array

TRANSFORMS = ("IDENTITY", "LOG", "INVERSE_LOGISTIC")  # as TFLite metadata names them

_SMALLEST_SCORE = 1e-16  # a logarithm sees no less. Source: kLogScoreMinimum of tflite-support's score_calibration.cc
_LARGEST_EXPONENT = 700.0  # exp overflows float64 at 709.8
_LARGEST_PARAMETER = 3.4e38  # float32, as the runtimes read them: no product of two overflows float64


@dataclass(frozen=True, eq=False)
class Calibration:
    """A sigmoid for each class: `parameters (n, 4)` scale, slope, offset, lowest score; NaN where a class has none."""

    parameters: Array
    transform: str
    default_score: float

    def apply(self, class_ids: Array, scores: Array) -> Array:
        """Calibrated scores `(n,) float32` of `scores (n,)` in 0..1, each of its class.

        Source: ScoreCalibrationOptions of metadata_schema.fbs: `scale / (1 + exp(-(slope * g(x) + offset)))` where
        x > lowest score, otherwise the default score.
        """
        known = (class_ids >= 0) & (class_ids < len(self.parameters))
        rows = np.full((len(class_ids), 4), np.nan)
        rows[known] = self.parameters[class_ids[known].astype(np.intp)]
        scale, slope, offset, lowest = rows.T
        x = scores.astype(np.float64)
        exponent = np.clip(-(slope * self._transformed(x) + offset), -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        calibrated = scale / (1.0 + np.exp(exponent))
        return np.where(x > lowest, calibrated, self.default_score).astype(np.float32)

    def _transformed(self, x: Array) -> Array:
        if self.transform == "IDENTITY":
            return x
        logarithm = np.log(np.maximum(x, _SMALLEST_SCORE))
        if self.transform == "LOG":
            return logarithm
        return logarithm - np.log(np.maximum(1.0 - x, _SMALLEST_SCORE))


def parse_calibration(text: str, transform: str, default_score: float) -> Calibration:
    """The calibration of a file with a line `scale,slope,offset[,lowest score]` for each class, empty for none.

    Raises:
        ModelError: a line that is something else, an unknown transform.
    """
    if transform not in TRANSFORMS:
        raise ModelError(f"score calibration has transform '{transform}', known are {', '.join(TRANSFORMS)}")
    lines = text.removeprefix("\ufeff").rstrip().split("\n")
    rows = [_parameters(line.strip(), number) for number, line in enumerate(lines, 1)]
    return Calibration(np.array(rows), transform, default_score)


def _parameters(line: str, number: int) -> tuple[float, ...]:
    if not line:
        return (math.nan,) * 4
    try:
        values = tuple(float(word) for word in line.split(","))
    except ValueError:
        values = ()
    if len(values) not in (3, 4) or not all(abs(value) <= _LARGEST_PARAMETER for value in values):
        raise ModelError(
            f"line {number} of the score calibration is '{line[:60]}': write scale,slope,offset or "
            "scale,slope,offset,lowest score"
        )
    return values if len(values) == 4 else (*values, -math.inf)
