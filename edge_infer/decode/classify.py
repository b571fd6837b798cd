"""Classification: one score for each class."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from edge_infer.decode.activations import sigmoid, softmax
from edge_infer.decode.decoder import ClassFilter, check_labels, label_of
from edge_infer.types import Array, Classes, Geometry, TensorSpec

Calibrate = Callable[[Array, Array], Array]  # class_ids (n,), scores (n,) -> scores (n,)
# What is to be done with an output so that it becomes scores; "auto": softmax where its values are none yet.
Activation: TypeAlias = Literal["none", "sigmoid", "softmax", "auto"]

ROUNDING = 1e-3  # a softmax of float16 sums to no more than that beyond 1


class ClassifyDecoder:
    """Best classes first; on equal scores the lower class id first (quantised scores tie often).

    An output of one number is the score of one class, or with two labels that of the second of two.
    """

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
        activation: Activation = "none",
    ) -> None:
        numbers = int(np.prod(spec.shape))
        self._opposed = numbers == 1 and len(labels) == 2
        count = 2 if self._opposed else numbers
        check_labels(labels, count, f"output '{spec.name}'")
        self._spec = spec
        self._labels = tuple(labels)
        self._top_k = top_k
        self._min_score = min_score
        self._least = spec.least(min_score)
        self._calibrate = calibrate
        self._activation: Activation = "sigmoid" if numbers == 1 and activation == "softmax" else activation
        self._stored_are_scores = calibrate is None and self._activation == "none" and spec.quantized and numbers > 1
        self._mask = classes.mask(np.arange(count)) if classes else None
        self._real: Array | None = None  # of each stored byte
        if self._stored_are_scores and spec.dtype.itemsize == 1:
            self._real = spec.real(np.arange(256, dtype=np.uint8).view(spec.dtype))

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Classes:
        """Decode one inference; the geometry does not matter."""
        stored = outputs[0].reshape(-1)
        if self._stored_are_scores:  # ranks are the same in the stored integers, and sorting bytes is faster
            best = self._best(np.argsort(~stored, kind="stable"))
            found = stored[best]
            if len(found) and found[-1] < self._least:
                best = best[found >= self._least]
                found = stored[best]
            scores = self._spec.real(found) if self._real is None else self._real[found.view(np.uint8)]
        else:
            every = self._scores(self._spec.real(stored))
            best = self._best(np.argsort(-every, kind="stable"))
            best = best[every[best] >= self._min_score]  # False for NaN
            scores = every[best]
        return Classes(best, scores, tuple(label_of(self._labels, i) for i in best.tolist()))

    def _best(self, order: Array) -> Array:
        if self._mask is not None:
            order = order[self._mask[order]]
        return order[: self._top_k]

    def _scores(self, values: Array) -> Array:
        activation = self._activation
        if activation == "auto":
            is_score = (values >= -ROUNDING) & (values <= 1.0 + ROUNDING)
            activation = "none" if is_score.all() else "sigmoid" if len(values) == 1 else "softmax"
        if activation != "none":
            values = sigmoid(values) if activation == "sigmoid" else softmax(values)
        if self._opposed:
            values = np.concatenate([1.0 - values, values])
        return self._calibrate(np.arange(len(values)), values) if self._calibrate else values


class HeadsDecoder:
    """The classes of several outputs one after the other, each output with its name."""

    task = "classify"

    def __init__(self, heads: Mapping[str, ClassifyDecoder]) -> None:
        """One for each output, in their order."""
        self._heads = heads

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Classes:
        """Decode one inference; the geometry does not matter."""
        found = [decode([output], geometry) for decode, output in zip(self._heads.values(), outputs, strict=True)]
        return Classes(
            np.concatenate([classes.class_ids for classes in found]),
            np.concatenate([classes.scores for classes in found]),
            tuple(label for classes in found for label in classes.labels),
            tuple(name for name, classes in zip(self._heads, found, strict=True) for _ in classes.labels),
        )
