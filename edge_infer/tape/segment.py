"""A file of records that only grows: each has its length and its checksum, so that a kill costs at most the last."""

import mmap
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from edge_infer.errors import InputError, UnavailableError

Kind: TypeAlias = Literal["beginning", "kept", "ended", "told"]
_KINDS: tuple[Kind, ...] = ("beginning", "kept", "ended", "told")
_MARK = bytes.fromhex("e15c 8d02 f6a9 37bb")  # begins each record: random, so that what is damaged can be left behind
# Mark, CRC-32 of all behind it, bytes of the content, kind, and by what it is sorted: group and order in it.
_HEAD = struct.Struct("<8sIIB3xqq")
_CHECKED = 12  # bytes before what the checksum is of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands, and what is known of it without reading it.

    Attributes:
        group, order: by these two it is sorted among all of its life
    """

    path: Path
    offset: int
    size: int
    kind: Kind
    group: int
    order: int


class Segment:
    """An open file; each record is written in one go, without a buffer."""

    def __init__(self, path: Path) -> None:
        """Begin it.

        Raises:
            OSError: it is there already, or cannot be written.
        """
        self.path = path
        self.bytes = 0
        self._file = path.open("xb", buffering=0)

    def append(self, record: bytes) -> None:
        """Add what `packed` made.

        Raises:
            OSError: it cannot be written; what is there already stays whole.
        """
        try:
            written = 0
            while written < len(record):
                written += os.write(self._file.fileno(), memoryview(record)[written:])
        except OSError:
            with suppress(OSError):
                self._file.seek(self.bytes)
                self._file.truncate()
            raise
        self.bytes += len(record)

    def close(self) -> None:
        """Close it."""
        self._file.close()


def packed(kind: Kind, group: int, order: int, content: bytes) -> bytes:
    """The bytes of a record."""
    head = bytearray(_HEAD.pack(_MARK, 0, len(content), _KINDS.index(kind), group, order))
    checksum = zlib.crc32(content, zlib.crc32(head[_CHECKED:]))
    struct.pack_into("<I", head, len(_MARK), checksum)
    return bytes(head) + content


@dataclass(frozen=True, slots=True)
class Scanned:
    """The records of a file; where it is `damaged`, in sentences; how many bytes of a last one were `cut_off`."""

    places: list[Place]
    damaged: list[str]
    cut_off: int


def scan(path: Path) -> Scanned:
    """What is in a file; the contents of its records are not checked yet.

    Raises:
        UnavailableError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return Scanned([], [], 0)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _scanned(path, content)
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}") from error


def _scanned(path: Path, content: mmap.mmap) -> Scanned:
    found: list[Place] = []
    damaged: list[str] = []
    offset, size = 0, len(content)
    while offset < size:
        end, place = _record(path, content, offset)
        if place:
            found.append(place)
            offset = end
            continue
        following = content.find(_MARK, offset + 1)
        if following < 0:
            return Scanned(found, damaged, size - offset)
        damaged.append(f"{path.name} is damaged at byte {offset}: {following - offset} bytes are left out")
        offset = following
    return Scanned(found, damaged, 0)


def _record(path: Path, content: mmap.mmap, offset: int) -> tuple[int, Place | None]:
    """Where the record here ends, and what it is; None where there is none that is whole."""
    if offset + _HEAD.size > len(content):
        return offset, None
    mark, _, size, kind, group, order = _HEAD.unpack_from(content, offset)
    end = offset + _HEAD.size + size
    whole = mark == _MARK and kind < len(_KINDS) and end <= len(content)
    if not whole or (end < len(content) and content[end : end + len(_MARK)] != _MARK[: len(content) - end]):
        return offset, None
    return end, Place(path, offset, _HEAD.size + size, _KINDS[kind], group, order)


def content_of(place: Place) -> bytes:
    """What stands in a record.

    Raises:
        InputError: it is damaged.
        UnavailableError: it cannot be read.
    """
    try:
        with place.path.open("rb") as file:
            file.seek(place.offset)
            record = file.read(place.size)
    except OSError as error:
        raise UnavailableError(f"cannot read {place.path}: {error.strerror}") from error
    if len(record) < place.size or zlib.crc32(record[_CHECKED:]) != _HEAD.unpack_from(record)[1]:
        raise InputError(f"{place.path.name} is damaged at byte {place.offset}: a record of {place.size} bytes")
    return record[_HEAD.size :]
