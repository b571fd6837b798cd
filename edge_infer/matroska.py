"""Motion JPEG in Matroska, byte by byte: each picture has its own time, and a file that was cut off plays to its end.

Each picture is a cluster of known size, written in one go. MP4 keeps its index for the end, and is nothing without.
"""

import struct
import time

from edge_infer.types import Size

# Source: RFC 8794 (EBML) and RFC 9559 (Matroska), which name the ids.
EBML, DOC_TYPE, DOC_TYPE_VERSION, DOC_TYPE_READ_VERSION = 0x1A45DFA3, 0x4282, 0x4287, 0x4285
SEGMENT, INFO, TIMESTAMP_SCALE, DURATION, DATE, MUXER, WRITER = (
    0x18538067, 0x1549A966, 0x2AD7B1, 0x4489, 0x4461, 0x4D80, 0x5741
)  # fmt: skip
TRACKS, TRACK, NUMBER, UID, TYPE, LACING, CODEC, VIDEO, WIDTH, HEIGHT = (
    0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83, 0x9C, 0x86, 0xE0, 0xB0, 0xBA
)  # fmt: skip
CLUSTER, TIMESTAMP, SIMPLE_BLOCK, VOID = 0x1F43B675, 0xE7, 0xA3, 0xEC
UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
KEY_FRAME = 0x80
TICK_NS = 1_000_000
EPOCH_2001 = 978_307_200  # s from 1970 to the beginning of Matroska's dates
INFO_BEGINS = 5  # bytes of its id and its size, before its first element
DURATION_BYTES = 11  # id, size, eight bytes of a float


def header(size: Size, began_at: float | None = None) -> bytes:
    """The beginning of a file with pictures of `size`; `began_at` (seconds since 1970, default now) is its date."""
    date = round(((time.time() if began_at is None else began_at) - EPOCH_2001) * 1e9)
    names = _string(MUXER, "edge_infer") + _string(WRITER, "edge_infer")
    dates = _number(TIMESTAMP_SCALE, TICK_NS) + _element(DATE, struct.pack(">q", date))
    info = _element(VOID, bytes(DURATION_BYTES - 2)) + dates + names  # room for the duration, not known yet
    video = _element(VIDEO, _number(WIDTH, size[0]) + _number(HEIGHT, size[1]))
    numbers = _number(NUMBER, 1) + _number(UID, 1) + _number(TYPE, 1) + _number(LACING, 0)
    track = _element(TRACK, numbers + _string(CODEC, "V_MJPEG") + video)
    return _beginning() + _element(INFO, info) + _element(TRACKS, track)


def picture(jpeg: bytes, at_ms: int) -> bytes:
    """One picture, shown from `at_ms` on."""
    block = struct.pack(">BhB", 0x80 | 1, 0, KEY_FRAME) + jpeg
    return _element(CLUSTER, _number(TIMESTAMP, at_ms) + _element(SIMPLE_BLOCK, block))


def duration(lasts_ms: float) -> tuple[int, bytes]:
    """Where in the file to write how long it lasts, once that is known, and the bytes."""
    return len(_beginning()) + INFO_BEGINS, _element(DURATION, struct.pack(">d", lasts_ms))


def _beginning() -> bytes:
    versions = _number(DOC_TYPE_VERSION, 4) + _number(DOC_TYPE_READ_VERSION, 2)
    return _element(EBML, _string(DOC_TYPE, "matroska") + versions) + _id(SEGMENT) + UNKNOWN_SIZE


def _element(name: int, content: bytes) -> bytes:
    size_bytes = 1 if len(content) < 0x7F else 8
    length = len(content) | 1 << 7 * size_bytes  # the first bit that is set tells how many bytes there are
    return _id(name) + length.to_bytes(size_bytes, "big") + content


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))


def _string(name: int, text: str) -> bytes:
    return _element(name, text.encode())


def _id(name: int) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big")
