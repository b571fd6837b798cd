"""Regression: numbers that a model estimates."""

from collections.abc import Sequence

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.types import Array, Geometry, Measurements, TensorSpec


class RegressDecoder:
    """All numbers of all outputs, each with its name and unit."""

    task = "regress"

    def __init__(self, specs: Sequence[TensorSpec], count: int, names: Sequence[str], units: Sequence[str]) -> None:
        """`names` and `units`: one for each of the `count` numbers; no units where none are known.

        Raises:
            ModelError: there are more or fewer.
        """
        for what, given in (("names", names), ("units", units)):
            if len(given) != count and (given or what == "names"):
                raise ModelError(
                    f"the model estimates {count} numbers, and {len(given)} {what} are given ({', '.join(given)}): "
                    f"give one for each, decode: {{{what}: [...]}}"
                )
        self._specs = tuple(specs)
        self._names = tuple(names)
        self._units = tuple(units) or ("",) * count

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Measurements:
        """Decode one inference; the geometry does not matter."""
        pairs = zip(self._specs, outputs, strict=True)
        values = np.concatenate([spec.real(stored).reshape(-1) for spec, stored in pairs])
        return Measurements(values, self._names, self._units)
