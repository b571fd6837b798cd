"""What stands in a recording: how it began, frames with what was said about them, and ends."""

import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

import cv2
import msgspec
import numpy as np
from msgspec import Struct

from edge_infer.types import Array, Event, Frame, Span
from edge_infer.types.events import PlainEvent

FORMAT = 1
# Anything as plain values: null, numbers, texts, lists, mappings; an array is a mapping with the key `array`.
Tree: TypeAlias = Any
SMALL_BYTES = 256  # an array of fewer is kept as it is


class Beginning(Struct, frozen=True, kw_only=True):
    """The first record of each file: with what all that follows was made.

    Attributes:
        life: from a start of this pipeline to its end; the same in each file of it
        settings: of the pipeline as it ran, without secrets
        model: name, version, sha256 of what answered first
        software, machine: names and versions
        written_at: wall clock, seconds since 1970
    """

    format: int = FORMAT
    pipeline: str
    life: str
    settings: dict[str, Tree]
    model: dict[str, str]
    software: dict[str, str]
    machine: dict[str, str]
    written_at: float

    @property
    def run(self) -> str:
        """The run of the daemon that the life belongs to."""
        return self.life.rpartition("-")[0]


class Kept(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame as the model was given it, the result that was published, and what happened with it.

    Attributes:
        place: counts frames and ends in a life from 0, in the order of their results; gaps are what is not recorded
        path: name of the file that it was read from, without its folders
        data: the picture or window, as an array in a Tree
    """

    place: int
    source: str
    number: int
    captured_at: float
    captured_ns: int
    data: Tree
    result: Tree
    path: str | None = None
    span: Span | None = None
    media_s: float | None = None
    events: list[Tree] = []

    def frame(self) -> Frame:
        """The frame as it was."""
        data = array_of(self.data)
        return Frame(
            self.source, self.number, data, self.captured_at, self.captured_ns, self.path, self.span, self.media_s
        )


class Ended(Struct, frozen=True, kw_only=True):
    """Nothing came any more, for a reason as `Event.reason` has it: what went on ended."""

    place: int
    reason: str
    events: list[Tree]


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all fusions of a run were told: of an event of a pipeline, of other settings, that time goes on.

    Attributes:
        place: counts them in a run from 0; gaps are what is not recorded
        now_ns: when that was, monotonic clock; never less than in the one before
        event: without what a second model says
        settings: those from then on, by fusion; None: as before
        said: what they made of it: events, whose labels are the names of fusions
    """

    place: int
    now_ns: int
    pipeline: str = ""
    event: Tree = None
    settings: dict[str, Tree] | None = None
    said: list[Tree] = []


def event_of(recorded: Tree) -> Event:
    """An event from its plain values, without what a second model says.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.convert({**recorded, "detail": None}, PlainEvent)


def tree(value: object) -> Tree:
    """A result, prediction or event as plain values, bit for bit; a dataclass says its `type`."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return packed_array(value)
    if isinstance(value, Mapping):
        return {str(name): tree(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [tree(item) for item in value]
    if is_dataclass(value):
        named = {field.name: tree(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__} | named
    return value


def packed_array(array: Array, *, quickly: bool = False) -> Tree:
    """An array without loss: pictures as PNG, all else through zlib where that makes it smaller.

    Measured (x86-64, one core, 640x480 of a camera): PNG 11 ms and 50 % of the bytes, zlib 20 ms and 75 to 90 %,
    `quickly` 0.1 ms and all of them; a second of sound at 16 kHz 0.7 ms and 45 %.
    """
    array = np.asarray(array, order="C")
    how, content = "raw", array.tobytes()
    if not quickly and len(content) >= SMALL_BYTES:
        how, content = min(_ways(array, content), key=lambda way: len(way[1]))
    return {"array": array.dtype.str, "shape": list(array.shape), "how": how, "content": content}


def _ways(array: Array, raw: bytes) -> list[tuple[str, bytes]]:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3:
        done, png = cv2.imencode(".png", array)
        return [("raw", raw), *([("png", png.tobytes())] if done else [])]
    # Byte by byte of each number: signs and exponents of neighbours are alike, which zlib sees only side by side.
    planes = np.frombuffer(raw, np.uint8).reshape(-1, array.itemsize).T
    return [("raw", raw), ("planes", zlib.compress(planes.tobytes(), 1))]


def array_of(packed: Tree) -> Array:
    """The array that `packed_array` was given."""
    content, dtype = packed["content"], np.dtype(packed["array"])
    if packed["how"] == "png":
        return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))
    if packed["how"] == "planes":
        planes = np.frombuffer(zlib.decompress(content), np.uint8)
        content = planes.reshape(dtype.itemsize, -1).T.tobytes()
    return np.frombuffer(content, dtype).reshape(packed["shape"]).copy()


def encode(entry: Struct) -> bytes:
    """The bytes of an entry."""
    return msgspec.msgpack.encode(entry)
