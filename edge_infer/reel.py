"""Files of a recording that only grow, and the thread that writes them."""

from typing import TypeVar

from msgspec import Struct

from edge_infer.flow.scribe import Scribe
from edge_infer.tape.entries import encode
from edge_infer.tape.folder import SUFFIX, Room
from edge_infer.tape.segment import Segment, packed

SEGMENT_BYTES, SHARES = 64_000_000, 16  # of one file; it is at most this share of all: the oldest goes as a whole

G = TypeVar("G")


class Reel(Scribe[G]):
    """The files of one name; `what` they hold, as a log says it.

    Attributes:
        kept: how much was written
    """

    def __init__(self, name: str, what: str, room: Room, *, waiting: int, suffix: str = SUFFIX) -> None:
        self.kept = 0
        self._name = name
        self._room = room
        self._suffix = suffix
        self._segment: Segment | None = None
        super().__init__(name, what, waiting)

    @property
    def _is_full(self) -> bool:
        """Of the present file."""
        return self._segment is not None and self._segment.bytes >= min(SEGMENT_BYTES, self._room.max_bytes // SHARES)

    def _begin_segment(self, beginning: Struct) -> Segment:
        """A new file."""
        segment = self._room.begin(self._name, self._suffix)
        try:
            self._append(segment, packed("beginning", 0, 0, encode(beginning)))
        except OSError:
            self._room.discard(segment)
            raise
        self._segment = segment
        return segment

    def _append(self, segment: Segment, record: bytes) -> None:
        self._room.make(len(record))
        try:
            segment.append(record)
        except OSError:
            self._room.give_back(len(record))
            raise

    def _end(self) -> None:
        if self._segment:
            self._room.end(self._segment)
            self._segment = None
