"""What a buffer of Linux' Industrial I/O holds: one record for each sample, elements at their alignment.

Source: linux, Documentation/iio/iio_devbuf.rst; drivers/iio/industrialio-buffer.c, iio_compute_scan_bytes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.types import Array

_TYPE = re.compile(
    r"(?P<order>[bl]e):(?P<sign>[su])(?P<bits>\d+)/(?P<stored>\d+)(?:X(?P<repeat>\d+))?(?:>>(?P<shift>\d+))?"
)


@dataclass(frozen=True)
class Element:
    """One number of a record.

    Attributes:
        name: of the channel; "timestamp" is ns
        index: its place among all elements, whether they are on or not
        bits, stored: of the number, and of what it lies in
        shift: bits below it
    """

    name: str
    index: int
    big_endian: bool
    signed: bool
    bits: int
    stored: int
    shift: int

    @property
    def size(self) -> int:
        """Bytes, to which it is aligned, too."""
        return self.stored // 8

    def numbers(self, stored: Array) -> Array:
        """`(n, size) uint8` as int64."""
        ordered = stored[:, ::-1] if self.big_endian else stored
        shifts = np.arange(self.size, dtype=np.uint64) * np.uint64(8)
        raw = np.bitwise_or.reduce(ordered.astype(np.uint64) << shifts, axis=1) >> np.uint64(self.shift)
        if self.bits < 64:
            raw = raw & np.uint64((1 << self.bits) - 1)
        values: Array = raw.view(np.int64)
        if self.signed and self.bits < 64:
            sign = np.int64(1 << (self.bits - 1))
            values = (values ^ sign) - sign
        return values


def element(name: str, index: int, said: str) -> Element | None:
    """An element by its type as sysfs writes it, such as `le:s12/16>>4`; None for what is not one whole number."""
    found = _TYPE.fullmatch(said)
    if found is None or int(found["repeat"] or 1) != 1 or int(found["stored"]) % 8 or not 0 < int(found["bits"]) <= 64:
        return None
    return Element(
        name,
        index,
        found["order"] == "be",
        found["sign"] == "s",
        int(found["bits"]),
        int(found["stored"]),
        int(found["shift"] or 0),
    )


def places(elements: Sequence[Element]) -> tuple[list[int], int]:
    """Where each element begins in a record, in bytes, and how long the record is; elements by their index."""
    at, begins = 0, []
    for one in elements:
        at = -(-at // one.size) * one.size
        begins.append(at)
        at += one.size
    largest = max(one.size for one in elements)
    return begins, -(-at // largest) * largest


def decode(data: bytes, elements: Sequence[Element]) -> dict[str, Array]:
    """`(n,) int64` of each element, by its name, of n whole records."""
    begins, size = places(elements)
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    return {
        one.name: one.numbers(records[:, begin : begin + one.size]) for one, begin in zip(elements, begins, strict=True)
    }
