"""Anomaly scores: what the model itself gives, or how far an embedding is from what was normal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.decode.embedding import unit
from edge_infer.types import Anomaly, Array, Geometry, TensorSpec


@dataclass(frozen=True, eq=False)
class Normal:
    """What `d` numbers were like while all was normal.

    Attributes:
        mean: `(d,) float32`
        scale: `(d,) float32`, their usual spread
        components: `(k, d) float32`, directions in which they move together, each as long as that is usual
        ridge: variance, in units of the scale, that every direction is granted
    """

    mean: Array
    scale: Array
    components: Array
    ridge: float

    def score(self, values: Array) -> float:
        """The squared Mahalanobis distance of `(d,)` from the mean, divided by d: 1 is usual."""
        away = (values.astype(np.float64) - self.mean) / self.scale
        along = self.components @ away
        return float((away @ away - along @ along) / (self.ridge * len(away)))


class AnomalyDecoder:
    """The score of the output: the number itself, or what `normal` says of the direction of the vector in it."""

    task = "anomaly"

    def __init__(self, spec: TensorSpec, threshold: float, normal: Normal | None = None) -> None:
        self._spec = spec
        self._threshold = threshold
        self._normal = normal

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Anomaly:
        """Decode one inference; the geometry does not matter."""
        values = self._spec.real(outputs[0]).reshape(-1)
        score = float(values[0]) if self._normal is None else self._normal.score(unit(values))
        return Anomaly(score, self._threshold)
