"""Scores of several frames of one window, in one output of several."""

from collections.abc import Sequence

from edge_infer.decode.classify import ClassifyDecoder
from edge_infer.types import Array, Classes, Geometry, TensorSpec


class FrameScoresDecoder:
    """The classes by the mean of their scores over all frames of the output at `place`, `(frames, classes)`."""

    task = "classify"

    def __init__(self, place: int, spec: TensorSpec, decode: ClassifyDecoder) -> None:
        """`decode` is told of one frame."""
        self._place = place
        self._spec = spec
        self._decode = decode

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Classes:
        """Decode one inference; the geometry does not matter."""
        scores = self._spec.real(outputs[self._place])
        mean = scores.reshape(-1, scores.shape[-1]).mean(axis=0, keepdims=True)
        return self._decode([self._spec.stored(mean)], geometry)

    def meant(self, outputs: Sequence[Array]) -> list[Array]:
        """All outputs, of which the others do not matter."""
        return [output if place == self._place else output[:0] for place, output in enumerate(outputs)]
