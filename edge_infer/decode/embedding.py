"""Embeddings: a vector that says what a picture is like, and which known pictures it resembles."""

from collections.abc import Sequence

import numpy as np

from edge_infer.decode.gallery import Gallery, Match
from edge_infer.types import Array, Embedding, Geometry, TensorSpec


class EmbeddingDecoder:
    """The output as a vector of length 1, and the `top_k` labels of the gallery with a similarity >= `min_score`.

    An output that has no direction (all zero, or not finite) is a vector of zeros, which resembles nothing.
    """

    task = "embed"

    def __init__(
        self,
        spec: TensorSpec,
        gallery: Gallery | None = None,
        *,
        match: Match = "nearest",
        top_k: int = 5,
        min_score: float = 0.0,
    ) -> None:
        self._spec = spec
        self._gallery = gallery
        self._match = match
        self._top_k = top_k
        self._min_score = min_score

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Embedding:
        """Decode one inference; the geometry does not matter."""
        vector = unit(self._spec.real(outputs[0].reshape(-1)))
        if self._gallery is None:
            return Embedding(vector)
        return Embedding(vector, self._gallery.nearest(vector, self._match, self._top_k, self._min_score))


def unit(vector: Array) -> Array:
    """The vector with length 1; zeros where it has no direction."""
    wide = vector.astype(np.float64)  # squares of large float32 numbers are no float32
    length = np.sqrt(wide @ wide)
    if not np.isfinite(length) or length == 0.0:
        return np.zeros(len(vector), np.float32)
    return (wide / length).astype(np.float32)
