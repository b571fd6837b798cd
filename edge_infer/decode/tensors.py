"""No task: the outputs themselves."""

from collections.abc import Sequence

from edge_infer.types import Array, Geometry, Tensors, TensorSpec


class TensorsDecoder:
    """Real numbers for each output, by name; an output without a name is `output_<position>`."""

    task = "tensors"

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        self._specs = tuple(specs)

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Tensors:
        """Decode one inference; the geometry does not matter."""
        pairs = enumerate(zip(self._specs, outputs, strict=True))
        return Tensors({spec.name or f"output_{i}": spec.real(stored) for i, (spec, stored) in pairs})
