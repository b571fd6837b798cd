"""What everything is made of: arrays, sizes, tensors."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    `scale` and `zero_point` are empty for a tensor that is not quantised, one value for per-tensor and
    n values for per-channel quantisation: `real = (stored - zero_point) * scale`
    (Source: TFLite quantization specification). A scale of 0 means "not quantised".
    `signature` is the shape with -1 for each side that may be chosen; empty where all are fixed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
    quantized_dimension: int = 0
    signature: tuple[int, ...] = ()

    @property
    def quantized(self) -> bool:
        """True where stored integers stand for real numbers."""
        return any(self.scale) and self.dtype.kind in "iu"

    def real(self, stored: Array) -> Array:
        """Stored values as float32 real values (per-tensor quantisation, or none)."""
        if not self.quantized:
            return stored.astype(np.float32, copy=False)
        return (stored.astype(np.float32) - np.float32(self.zero_point[0])) * np.float32(self.scale[0])

    def stored(self, real: Array) -> Array:
        """Real values as this tensor stores them: rounded, and clipped to what its type holds."""
        if self.dtype.kind == "f":
            return real.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        values = real / np.float64(self.scale[0]) + self.zero_point[0] if self.quantized else real
        stored: Array = np.clip(np.round(values), limits.min, limits.max).astype(self.dtype)
        return stored

    def least(self, real: float) -> float:
        """The smallest stored value whose real value is >= `real`: thresholds need no dequantisation.

        Above all that the type holds where none is large enough. Of integers it is an int: numpy compares them with
        integers six times as fast as with floats.
        """
        return _least(self, real) if self.quantized else real


@lru_cache(maxsize=1024)  # decoders ask for the same ones for each frame, which takes 10 us
def _least(spec: TensorSpec, real: float) -> int:
    if real == -math.inf:
        return int(np.iinfo(spec.dtype).min)
    exact = real / spec.scale[0] + spec.zero_point[0]
    near = np.arange(np.floor(exact) - 1, np.ceil(exact) + 2)  # rounding decides as `real` does
    return int(near[spec.real(near) >= np.float32(real)][0])
