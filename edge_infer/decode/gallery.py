"""A gallery: vectors of known pictures with their labels, searched by the cosine of the angle between vectors."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from edge_infer.types import Array, Classes

Match: TypeAlias = Literal["nearest", "mean"]


@dataclass(frozen=True, eq=False)
class Gallery:
    """One row for each picture.

    Attributes:
        vectors: `(n, d) float32` of length 1
        labels: of each picture
        sources: where each picture came from, such as its file's name
        models: sha256 of the files of the model that made the vectors (for the CPU, and for an Edge TPU)
    """

    vectors: Array
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    models: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not len(self.vectors) == len(self.labels) == len(self.sources):
            raise ValueError("a gallery has one vector, one label and one source for each picture")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Each label once, sorted: their places are the class ids."""
        return tuple(sorted(set(self.labels)))

    @cached_property
    def class_ids(self) -> Array:
        """`(n,) int`, of each picture."""
        places = {name: place for place, name in enumerate(self.names)}
        return np.array([places[label] for label in self.labels], np.int64)

    @cached_property
    def means(self) -> Array:
        """`(labels, d) float32`: the direction of the sum of each label's vectors, in the order of `names`.

        They are the weights of an imprinted layer. Source: Qi et al., "Low-Shot Learning with Imprinted Weights", 2018.
        """
        sums = np.zeros((len(self.names), self.vectors.shape[1]))
        np.add.at(sums, self.class_ids, self.vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        means: Array = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0).astype(np.float32)
        return means

    def nearest(self, vector: Array, match: Match, top_k: int, min_score: float) -> Classes:
        """The labels that a vector `(d,)` of length 1 resembles most, best first.

        A label's score is the cosine with its nearest picture, or with its mean; below 0 it is 0.
        """
        if match == "mean":
            cosines = self.means @ vector
        else:
            cosines = np.full(len(self.names), -1.0, np.float32)
            np.maximum.at(cosines, self.class_ids, self.vectors @ vector)
        scores = np.clip(cosines, 0.0, 1.0).astype(np.float32)
        best = np.argsort(-cosines, kind="stable")[:top_k]
        best = best[scores[best] >= min_score]
        return Classes(best, scores[best], tuple(self.names[i] for i in best.tolist()))
