"""Heat maps: a score for each class or part of a body at each place of a grid."""

from itertools import product

import numpy as np

from edge_infer.decode.activations import sigmoid, surely_less
from edge_infer.types import Array, TensorSpec


def is_probability(spec: TensorSpec, operator: str) -> bool:
    """Whether an output that this operator makes holds scores in 0..1, and not logits."""
    if operator in ("LOGISTIC", "SOFTMAX"):
        return True
    if not spec.quantized or spec.dtype.itemsize != 1:
        return False
    limits = spec.real(np.array([np.iinfo(spec.dtype).min, np.iinfo(spec.dtype).max], spec.dtype))
    return bool(limits[0] >= 0 and limits[1] <= 1)


class HeatMap:
    """An output `(1, rows, columns, channels)` of scores, or of their logits."""

    def __init__(self, spec: TensorSpec, *, logits: bool) -> None:
        self._spec = spec
        self._logits = logits

    def scores(self, stored: Array) -> Array:
        """Stored values as float32 scores in 0..1; NaN is 0."""
        real = self._spec.real(stored)
        scores = sigmoid(real) if self._logits else np.clip(real, 0.0, 1.0)
        return np.nan_to_num(scores, nan=0.0).astype(np.float32)

    def peaks(self, stored: Array, min_score: float) -> tuple[Array, Array]:
        """Places `(n, 3)` as row, column, channel, and scores `(n,)` of what is >= `min_score`, best first.

        A peak is as large as its eight neighbours of the same channel. Equal scores: rows first, then columns.
        """
        grid = stored.reshape(stored.shape[-3:])
        wanted = surely_less(min_score) if self._logits else min_score
        high = np.flatnonzero(grid >= self._spec.least(wanted))  # argwhere takes 50 times as long
        places = np.stack(np.unravel_index(high, grid.shape), axis=1)
        places = places[_is_peak(grid, places)]
        scores = self.scores(grid[tuple(places.T)])
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= np.float32(min_score)]
        return places[order], scores[order]


def _is_peak(grid: Array, places: Array) -> Array:
    """`(n,) bool`: no value within one step is larger; NaN is never larger."""
    peak = np.ones(len(places), bool)
    if not len(places):
        return peak
    rows, columns, channels = places.T
    values = grid[rows, columns, channels]
    above_and_below = [np.clip(rows + down, 0, grid.shape[0] - 1) for down in (-1, 0, 1)]
    beside = [np.clip(columns + right, 0, grid.shape[1] - 1) for right in (-1, 0, 1)]
    for row, column in product(above_and_below, beside):
        peak &= ~(grid[row, column, channels] > values)
    return peak
