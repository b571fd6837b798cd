"""Writes flatbuffers: the counterpart of `flatbuffer.py`, by the same schemas.

Source: https://flatbuffers.dev/internals/: an offset counts from where it stands, forwards; a table follows its vtable.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from edge_infer.bundle.flatbuffer import Schema
from edge_infer.types import Array

ALIGNMENT = 16  # of the items of a list. Source: force_align of Buffer.data in TFLite's schema.fbs, the most there is

# A table: its fields by number. A list of scalars is an array, one of tables a sequence of them.
Fields: TypeAlias = Mapping[int, "Value"]
Value: TypeAlias = int | float | str | Array | Fields | Sequence[Fields]

_INTEGERS = {"1": "<B", "2": "<H", "4": "<I", "8": "<Q"}
_FLOATS = {"4": "<f", "8": "<d"}


def flatbuffer(schema: Schema, root: str, fields: Fields, identifier: bytes) -> bytes:
    """The bytes of a flatbuffer whose outermost table is `root` of the schema, with these fields."""
    writer = _Writer(schema)
    writer.data += bytes(4) + identifier
    writer.point(0, writer.table(root, fields))
    return bytes(writer.data)


class _Writer:
    """Appends to `data`: a table first, then what hangs on it."""

    def __init__(self, schema: Schema) -> None:
        self.data = bytearray()
        self._schema = schema

    def point(self, place: int, target: int) -> None:
        """Let the offset at `place` lead to `target`."""
        struct.pack_into("<I", self.data, place, target - place)

    def table(self, name: str, fields: Fields) -> int:
        """Where it lies."""
        kinds = {number: self._schema.tables[name][number] for number in fields}
        places, size = _laid_out(kinds)
        slots = [places.get(number, 0) for number in range(max(fields, default=-1) + 1)]
        vtable = struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), size, *slots)
        self._pad(8, extra=len(vtable))
        start = len(self.data) + len(vtable)
        self.data += vtable + struct.pack("<i", len(vtable)) + bytes(size - 4)
        for number, value in fields.items():
            self._field(start + places[number], kinds[number], value, fields.get(number - 1))
        return start

    def _field(self, place: int, kind: str, value: Value, before: Value | None) -> None:
        if isinstance(value, float):
            struct.pack_into(_FLOATS[kind], self.data, place, value)
        elif isinstance(value, int):
            struct.pack_into(_INTEGERS[kind], self.data, place, value % (1 << 8 * int(kind)))
        elif isinstance(value, str):
            text = value.encode()
            self.point(place, self._list(len(text), text + b"\0"))
        elif isinstance(value, np.ndarray):
            self.point(place, self._list(len(value), value.tobytes()))
        elif isinstance(value, Mapping):
            union = self._schema.unions.get(kind.removesuffix("?"))
            name = kind if union is None or not isinstance(before, int) else union[before]
            self.point(place, self.table(name, value))
        else:
            self._tables(place, kind.strip("[]"), value)

    def _tables(self, place: int, name: str, items: Sequence[Fields]) -> None:
        start = self._list(len(items), bytes(4 * len(items)))
        self.point(place, start)
        for number, item in enumerate(items):
            slot = start + 4 + 4 * number
            self.point(slot, self.table(name, item))

    def _list(self, count: int, content: bytes) -> int:
        """Where its length stands, which its items follow."""
        self._pad(ALIGNMENT, extra=4)
        start = len(self.data)
        self.data += struct.pack("<I", count) + content
        return start

    def _pad(self, alignment: int, extra: int) -> None:
        """So that what comes `extra` bytes later is aligned."""
        self.data += bytes(-(len(self.data) + extra) % alignment)


def _laid_out(kinds: Mapping[int, str]) -> tuple[dict[int, int], int]:
    """Where each field stands in its table, by number, and the size of the table."""
    places, size = {}, 4
    for number, kind in kinds.items():
        width = int(kind) if kind.isdigit() else 4
        size += -size % width
        places[number] = size
        size += width
    return places, size
