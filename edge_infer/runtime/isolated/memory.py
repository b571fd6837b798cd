"""The memory in which one model's tensors travel between us and one child."""

import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from edge_infer.types import Array, TensorSpec

ALIGNMENT = 64  # bytes; a cache line, and enough for every SIMD load
SLOTS = 2  # an answer that comes late never lands in the place of the next one
SPARE_BYTES = 65_536  # for outputs whose size the model decides anew each time


class SharedMemory:
    """A ring of slots, each with room for all inputs and outputs of one model.

    It has no name: nothing is left behind when both sides are gone, and the size of /dev/shm does not matter.
    """

    def __init__(self, file: int, inputs: Sequence[TensorSpec]) -> None:
        """Map an open file of `make_shared_file`, which is closed; what is behind the inputs is for the outputs."""
        offsets, self._output_at = _layout(inputs)
        try:
            self._map = mmap.mmap(file, 0)
        finally:
            os.close(file)
        self.slot_bytes = len(self._map) // SLOTS
        self._views = [
            [
                self._view(slot * self.slot_bytes + offset, spec.shape, spec.dtype)
                for offset, spec in zip(offsets, inputs, strict=True)
            ]
            for slot in range(SLOTS)
        ]

    def inputs(self, seq: int) -> list[Array]:
        """Views of the inputs of a request."""
        return self._views[seq % SLOTS]

    def outputs(self, seq: int, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[Any]]) -> list[Array]:
        """Views of the outputs of a request.

        Raises:
            ValueError: they do not fit in.
        """
        at, end = seq % SLOTS * self.slot_bytes + self._output_at, (seq % SLOTS + 1) * self.slot_bytes
        views = []
        for shape, dtype in zip(shapes, dtypes, strict=True):
            size = prod(shape) * dtype.itemsize
            if at + size > end:
                raise ValueError(f"the outputs need more than the {self.slot_bytes - self._output_at} bytes set aside")
            views.append(self._view(at, shape, dtype))
            at += _aligned(size)
        return views

    def _view(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        return np.frombuffer(self._map, dtype, prod(shape), offset).reshape(shape)

    def close(self) -> None:
        """Give it back, as soon as nobody holds a view."""
        self._views = []
        with suppress(BufferError):
            self._map.close()


def output_room(outputs: Sequence[Array]) -> int:
    """How many bytes outputs like these may need."""
    return _aligned(sum(_aligned(output.nbytes) for output in outputs) + SPARE_BYTES)


def make_shared_file(inputs: Sequence[TensorSpec], output_bytes: int) -> int:
    """An open file without a name, large enough, its memory reserved: a lack of it shows here, not as a SIGBUS later.

    Raises:
        OSError: there is not enough memory.
    """
    file = os.memfd_create("edge-infer tensors")
    try:
        os.posix_fallocate(file, 0, SLOTS * (_layout(inputs)[1] + output_bytes))
    except BaseException:
        os.close(file)
        raise
    return file


def _layout(inputs: Sequence[TensorSpec]) -> tuple[list[int], int]:
    offsets, used = [], 0
    for spec in inputs:
        offsets.append(used)
        used += _aligned(prod(spec.shape) * spec.dtype.itemsize)
    return offsets, used


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
