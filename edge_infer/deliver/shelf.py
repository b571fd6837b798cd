"""The chunks of one kind, in the order of their numbers, and which of them wait to be sent."""

import heapq
from bisect import bisect_left, bisect_right
from collections import deque
from itertools import islice
from operator import attrgetter

from edge_infer.deliver.records import Chunk

PREFETCH = 4  # chunks that are loaded from the disk ahead
_KEY = attrgetter("key")


class Shelf:
    """Every chunk here holds at least one record."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []  # rising
        self.rows = 0
        self.bytes = 0
        self._live: deque[Chunk] = deque()
        self._backlog: list[tuple[tuple[int, int], int, Chunk]] = []  # a heap by key

    def insert(self, chunk: Chunk) -> None:
        """Put a chunk into its place."""
        self.chunks.insert(bisect_left(self.chunks, chunk.key, key=_KEY), chunk)

    def remove(self, chunk: Chunk) -> None:
        """Take it out; what stands in a lane is passed over when its turn comes."""
        del self.chunks[bisect_left(self.chunks, chunk.key, key=_KEY)]

    def overlapping(self, epoch: int, first: int, last: int) -> list[Chunk]:
        """The chunks that hold some of these numbers."""
        left = max(0, bisect_right(self.chunks, (epoch, first), key=_KEY) - 1)
        right = bisect_right(self.chunks, (epoch, last), key=_KEY)
        return [c for c in self.chunks[left:right] if c.epoch == epoch and c.held.within(first, last)]

    def queue(self, chunk: Chunk) -> None:
        """Something of it waits: it stands in its lane."""
        if chunk.queued:
            return
        chunk.queued = True
        if chunk.live and not chunk.attempt:
            self._live.append(chunk)
        else:
            chunk.live = False
            heapq.heappush(self._backlog, (chunk.key, id(chunk), chunk))

    def all_to_backlog(self) -> None:
        """Nothing is live any more."""
        while self._live:
            chunk = self._live.popleft()
            chunk.live = chunk.queued = False
            if chunk.waiting:
                self.queue(chunk)
        for chunk in self.chunks:
            chunk.live = False

    def all_to_live(self) -> None:
        """What waits is so little that it goes out before what is made next."""
        while self._backlog:
            chunk = heapq.heappop(self._backlog)[2]
            chunk.live = chunk.queued = bool(chunk.waiting)
            if chunk.waiting:
                self._live.append(chunk)

    def next(self, *, live: bool) -> Chunk | None:
        """The chunk whose turn it is."""
        if live:
            while self._live and not self._live[0].waiting:
                self._live.popleft().queued = False
            return self._live[0] if self._live else None
        while self._backlog and not self._backlog[0][2].waiting:
            heapq.heappop(self._backlog)[2].queued = False
        return self._backlog[0][2] if self._backlog else None

    def to_load(self) -> list[Chunk]:
        """Chunks near the head of the lanes whose records are on the disk only."""
        self.next(live=False)
        heads = [*islice(self._live, PREFETCH), *(entry[2] for entry in self._backlog[:PREFETCH])]
        return [chunk for chunk in heads if chunk.records is None and chunk.waiting]

    def tiny_tail(self, rows: int) -> list[Chunk]:
        """The last chunks that have fewer records than this, are in RAM (and perhaps on the disk), and of one epoch."""
        start = len(self.chunks)
        while (
            start and _is_tiny(self.chunks[start - 1], rows) and self.chunks[start - 1].epoch == self.chunks[-1].epoch
        ):
            start -= 1
        return self.chunks[start:]

    def replace_tail(self, count: int, chunk: Chunk) -> None:
        """Put one chunk in the place of the last `count`."""
        self.chunks[-count:] = [chunk]
        if chunk.waiting:
            self.queue(chunk)


def _is_tiny(chunk: Chunk, rows: int) -> bool:
    return chunk.held.count < rows and chunk.records is not None
