"""A model file is changed: numbers where they stand, lists by new ones behind the rest; all else stays as it is.

Source: https://flatbuffers.dev/internals/: an offset counts from where it stands, forwards.
"""

import struct

import numpy as np

from edge_infer.bundle.flatbuffer import Flatbuffer, Table
from edge_infer.bundle.model_check import check_model, tensor_type
from edge_infer.errors import ModelError
from edge_infer.types import Array

ALIGNMENT = 16  # Source: force_align of Buffer.data in schema.fbs


class Patch:
    """The bytes of one model; tables that are read from `model` stay valid while they are changed."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises ModelError where the model is damaged."""
        buffer = Flatbuffer(data, name)
        self.model = check_model(buffer)
        self.name = name
        self._bytes = bytearray(data[: buffer.end])
        self._archive = bytes(data[buffer.end :])

    def finish(self, archive: bytes | None = None) -> bytes:
        """The changed file, with the files that travel with it, or with other ones."""
        return bytes(self._bytes) + (self._archive if archive is None else archive)

    def put(self, table: Table, field: int, value: int, code: str) -> None:
        """Another number in a field that is there."""
        struct.pack_into(f"<{code}", self._bytes, self._place(table, field, struct.calcsize(code)), value)

    def shorten(self, table: Table, field: int, count: int) -> None:
        """Leave only the first items of a list."""
        start, _ = table.span(field, 4)
        struct.pack_into("<I", self._bytes, start - 4, count)

    def replace(self, table: Table, field: int, values: Array) -> None:
        """Another list of numbers in a field that is there."""
        self._append(table, field, len(values), values.tobytes())

    def rename(self, table: Table, field: int, text: str) -> None:
        """Another text in a field that is there."""
        content = text.encode()
        self._append(table, field, len(content), content + b"\0")

    def constant(self, tensor: Table) -> Array:
        """The stored values of a constant tensor, in its shape."""
        contents = self.model.tables(4)
        return np.frombuffer(bytes(contents[tensor.integer(2, "I")].data(0)), self._dtype(tensor)).reshape(
            tensor.integers(0)
        )

    def set_constant(self, tensor: Table, values: Array) -> None:
        """Other stored values in a constant tensor, and their shape.

        Raises:
            ModelError: another tensor has the same values, and would be changed with it.
        """
        number = tensor.integer(2, "I")
        sharing = [
            other for graph in self.model.tables(2) for other in graph.tables(0) if other.integer(2, "I") == number
        ]
        if len(sharing) != 1:
            raise ModelError(
                f"{self.name}: '{tensor.string(3)}' shares its values with another tensor: export it again"
            )
        self.replace(
            self.model.tables(4)[number],
            0,
            np.ascontiguousarray(values, self._dtype(tensor)).view(np.uint8).reshape(-1),
        )
        self.replace(tensor, 0, np.array(values.shape, np.int32))

    def _dtype(self, tensor: Table) -> np.dtype[np.generic]:
        kind = tensor_type(tensor)
        if kind.dtype is None or kind.bits < 8:
            raise ModelError(f"{self.name}: '{tensor.string(3)}' has type {kind.name}, which cannot be changed")
        return kind.dtype

    def _append(self, table: Table, field: int, count: int, content: bytes) -> None:
        place = self._place(table, field, 4)
        self._bytes += b"\0" * (-(len(self._bytes) + 4) % ALIGNMENT)
        struct.pack_into("<I", self._bytes, place, len(self._bytes) - place)
        self._bytes += struct.pack("<I", count) + content

    def _place(self, table: Table, field: int, size: int) -> int:
        place = table.place(field, size)
        if not place:
            raise ModelError(f"{self.name} lacks a part that would have to be changed (field {field}): export it again")
        return place
