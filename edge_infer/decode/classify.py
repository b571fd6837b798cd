"""Classification: one score for each class."""

from collections.abc import Callable, Sequence

import numpy as np

from edge_infer.decode.decoder import ClassFilter, check_labels, label_of
from edge_infer.types import Array, Classes, Geometry, TensorSpec

Calibrate = Callable[[Array, Array], Array]  # class_ids (n,), scores (n,) -> scores (n,)


class ClassifyDecoder:
    """Best classes first; on equal scores the lower class id first (quantised scores tie often)."""

    task = "classify"

    def __init__(
        self,
        spec: TensorSpec,
        labels: Sequence[str],
        *,
        top_k: int = 5,
        min_score: float = 0.0,
        classes: ClassFilter | None = None,
        calibrate: Calibrate | None = None,
    ) -> None:
        count = int(np.prod(spec.shape))
        check_labels(labels, count, f"output '{spec.name}'")
        self._spec = spec
        self._labels = tuple(labels)
        self._top_k = top_k
        self._min_score = min_score
        self._calibrate = calibrate
        self._mask = classes.mask(np.arange(count)) if classes else None

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Classes:
        """Decode one inference; the geometry does not matter."""
        stored = outputs[0].reshape(-1)
        if self._calibrate:
            scores = self._calibrate(np.arange(len(stored)), self._spec.real(stored))
            order = np.argsort(-scores, kind="stable")
        else:  # ranks are the same in the stored integers, and sorting bytes is faster
            order = np.argsort(~stored if stored.dtype.kind in "iu" else -stored, kind="stable")
            scores = self._spec.real(stored)
        if self._mask is not None:
            order = order[self._mask[order]]
        best = order[: self._top_k]
        best = best[scores[best] >= self._min_score]
        return Classes(best, scores[best], tuple(label_of(self._labels, i) for i in best.tolist()))
