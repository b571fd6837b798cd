"""Reads flatbuffers without trusting them: whatever lies outside the buffer is a ModelError, never a crash.

Source: https://flatbuffers.dev/internals/ for the layout, flatbuffers::Verifier for what there is to check.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_infer.errors import ModelError

# Source: the default max_tables of flatbuffers::Verifier. Ours counts tables, list items and bytes of strings, because
# a hostile file may name one long list from a thousand places; a real model of 10 000 tensors stays under 300 000.
MAX_ITEMS = 1_000_000

_OFFSET = struct.Struct("<I")
_VTABLE_DISTANCE = struct.Struct("<i")
_VTABLE_HEAD = struct.Struct("<HH")
_NUMBERS = {code: struct.Struct("<" + code) for code in "bBhHiIqQfd"}


@dataclass(frozen=True)
class Schema:
    """What the fields of each table are, in their order; `unions` names the table for each type number.

    A field is "1", "2", "4", "8" (a scalar of so many bytes), "s" (a string), "[4]" (a list of scalars), "Name" (a
    table), "[Name]" (a list of tables), "Name?" (a union, its type number being the field before) or "-" (not read).
    """

    tables: Mapping[str, tuple[str, ...]]
    unions: Mapping[str, Mapping[int, str]]


class Flatbuffer:
    """The bytes of one flatbuffer; `name` stands in the messages, `end` is behind the last byte that was read."""

    def __init__(self, data: bytes | memoryview, name: str) -> None:
        self.data = memoryview(data)
        self.name = name
        self.end = 0
        self._size = len(self.data)
        self._items = 0
        self._tables: dict[int, Table] = {}

    def root(self) -> "Table":
        """The outermost table."""
        return self.table(self.follow(0))

    def table(self, position: int) -> "Table":
        """The table at a position; who asks again gets the same, which counts again."""
        self.spend(1, position)
        found = self._tables.get(position)
        if found is None:
            found = self._tables[position] = Table(self, position)
        return found

    def damaged(self, what: str, position: int) -> ModelError:
        """The error for `what` at a byte."""
        return ModelError(
            f"{self.name} is damaged: {what} at byte {position} of {len(self.data)}: copy or export the model again"
        )

    def claim(self, what: str, position: int, size: int, alignment: int = 1) -> None:
        """Make sure that `size` bytes lie inside the buffer, aligned as C++ readers expect them."""
        end = position + size
        if position < 0 or end > self._size:
            raise self.damaged(f"{what} of {size} bytes ends outside the file", position)
        if position % alignment:
            raise self.damaged(f"{what} is not aligned to {alignment} bytes", position)
        if end > self.end:
            self.end = end

    def spend(self, items: int, position: int) -> None:
        """Count what is read, so that a small file cannot keep us busy for ever."""
        self._items += items
        if self._items > MAX_ITEMS:
            raise self.damaged(f"it describes more than {MAX_ITEMS} items", position)

    def follow(self, position: int) -> int:
        """Where the offset at `position` leads to."""
        self.claim("an offset", position, 4, 4)
        target = position + int(_OFFSET.unpack_from(self.data, position)[0])
        self.claim("what an offset leads to", target, 4, 4)
        return target


class Table:
    """One table: typed fields by their number in the schema; an absent one gives its default."""

    __slots__ = ("_buffer", "_fields", "_size", "position")

    def __init__(self, buffer: Flatbuffer, position: int) -> None:
        self._buffer = buffer
        self.position = position
        buffer.claim("a table", position, 4, 4)
        vtable = position - int(_VTABLE_DISTANCE.unpack_from(buffer.data, position)[0])
        buffer.claim("a vtable", vtable, 4, 2)
        vtable_size, self._size = _VTABLE_HEAD.unpack_from(buffer.data, vtable)
        if vtable_size < 4 or vtable_size % 2 or self._size < 4:
            raise buffer.damaged(f"a vtable has sizes {vtable_size} and {self._size}", vtable)
        buffer.claim("a vtable", vtable, vtable_size)
        buffer.claim("a table", position, self._size)
        self._fields = struct.unpack_from(f"<{vtable_size // 2 - 2}H", buffer.data, vtable + 4)

    def damaged(self, what: str) -> ModelError:
        """The error for `what` in this table."""
        return self._buffer.damaged(what, self.position)

    def place(self, field: int, size: int) -> int:
        """Position of a field of `size` bytes, 0 if it is absent."""
        offset = self._fields[field] if field < len(self._fields) else 0
        if not offset:
            return 0
        position = self.position + int(offset)
        if offset < 4 or offset + size > self._size:
            raise self._buffer.damaged(f"field {field} of {size} bytes is outside its table", position)
        self._buffer.claim(f"field {field}", position, size, size)
        return position

    def integer(self, field: int, code: str = "i", default: int = 0) -> int:
        """An integer; `code` is the type letter of `struct`."""
        position = self.place(field, _NUMBERS[code].size)
        return int(_NUMBERS[code].unpack_from(self._buffer.data, position)[0]) if position else default

    def real(self, field: int, default: float = 0.0) -> float:
        """A 32-bit float."""
        position = self.place(field, 4)
        return float(_NUMBERS["f"].unpack_from(self._buffer.data, position)[0]) if position else default

    def table(self, field: int) -> "Table | None":
        """The table that a field leads to."""
        position = self.place(field, 4)
        return self._buffer.table(self._buffer.follow(position)) if position else None

    def tables(self, field: int) -> "list[Table]":
        """A list of tables."""
        start, count = self.span(field, 4)
        self._buffer.spend(count, start)
        return [self._buffer.table(self._buffer.follow(start + 4 * i)) for i in range(count)]

    def span(self, field: int, width: int) -> tuple[int, int]:
        """Position and number of the items of a list of scalars, each `width` bytes; (0, 0) if it is absent."""
        position = self.place(field, 4)
        if not position:
            return 0, 0
        start = self._buffer.follow(position)
        (count,) = _OFFSET.unpack_from(self._buffer.data, start)
        self._buffer.claim(f"a list of {count} items", start + 4, count * width, width if count else 1)
        return start + 4, int(count)

    def data(self, field: int) -> memoryview:
        """A list of bytes, in place."""
        start, count = self.span(field, 1)
        return self._buffer.data[start : start + count]

    def integers(self, field: int, code: str = "i") -> tuple[int, ...]:
        """A list of integers."""
        return tuple(self._numbers(field, code).tolist())

    def reals(self, field: int) -> tuple[float, ...]:
        """A list of 32-bit floats."""
        return tuple(self._numbers(field, "f").tolist())

    def string(self, field: int) -> str:
        """A string, "" if it is absent; bytes that are not UTF-8 are replaced."""
        start, count = self._string(field)
        self._buffer.spend(count, start)
        return str(self._buffer.data[start : start + count], "utf-8", "replace")

    def verify(self, schema: Schema, name: str) -> None:
        """Walk this table, as `name` of the schema, and all that hangs on it.

        Raises:
            ModelError: something lies outside the buffer.
        """
        for field, kind in enumerate(schema.tables.get(name, ())):
            if field < len(self._fields) and self._fields[field]:
                self._verify_field(schema, field, kind)

    def _verify_field(self, schema: Schema, field: int, kind: str) -> None:
        inner = kind.strip("[]?")
        if kind == "-":
            return
        if kind == "s":
            self._string(field)
        elif kind.isdigit():
            self.place(field, int(kind))
        elif inner.isdigit():
            self.span(field, int(inner))
        elif kind.startswith("["):
            for item in self.tables(field):
                item.verify(schema, inner)
        elif table := self.table(field):
            if kind.endswith("?"):
                inner = schema.unions[inner].get(self.integer(field - 1, "B"), "")
            table.verify(schema, inner)

    def _string(self, field: int) -> tuple[int, int]:
        start, count = self.span(field, 1)
        if start:
            self._buffer.claim("a string", start, count + 1)
            if self._buffer.data[start + count]:
                raise self._buffer.damaged("a string has no end", start)
        return start, count

    def _numbers(self, field: int, code: str) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        start, count = self.span(field, _NUMBERS[code].size)
        self._buffer.spend(count, start)
        return np.frombuffer(self._buffer.data, f"<{code}", count, start) if count else np.empty(0, code)
