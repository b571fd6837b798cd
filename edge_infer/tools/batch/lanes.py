"""Who does what next, so that rows come in order and no core waits."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from edge_infer.tools.batch.crew import Lost
from edge_infer.tools.batch.items import Item
from edge_infer.tools.batch.shard import Answer, failure

# Behind an item that takes long, so much may wait for its turn in the output; then nothing more is begun there.
WAITING_ITEMS = 1024
WAITING_BYTES = 16 * 2**20
SHARD_S = 0.25  # so long a worker works on what it is given; between two it waits 0.06 ms (measured)
SHARD_ITEMS = 64  # what a crash may make others do again


class Lane:
    """Items whose rows stand in the output in their order: the pictures, or the frames of one video.

    Attributes:
        video: its name, None for the pictures
        size: how many they are; of a video what it promises from `start` on, once that is known
        ended: nothing more can be taken
    """

    def __init__(
        self, items: Iterable[Item], *, video: str | None = None, size: int | None = None, start: int = 0
    ) -> None:
        self.video = video
        self.size = size
        self._start = start
        self.ended = False
        self._items = iter(items)
        self._taken: dict[Item, Answer | None] = {}  # in order; with the answer, where it has come
        self._bytes = 0

    @property
    def open(self) -> bool:
        """Whether something can be taken now."""
        return not self.ended and len(self._taken) < WAITING_ITEMS and self._bytes < WAITING_BYTES

    @property
    def done(self) -> bool:
        """Whether every row was handed out."""
        return self.ended and not self._taken

    def take(self, count: int) -> list[Item]:
        """The next items; fewer at the end."""
        items = list(islice(self._items, count))
        self.ended = self.ended or len(items) < count
        self._taken.update(dict.fromkeys(items))
        return items

    def answer(self, item: Item, answer: Answer) -> None:
        """What came of one of them; that of an item behind the video's end counts for nothing."""
        if item not in self._taken:
            return
        self._taken[item] = answer
        self._bytes += len(answer.row or b"")
        if answer.frames:
            self.size = max(0, answer.frames - self._start)
        self.ended = self.ended or answer.last

    def wants(self, item: Item) -> bool:
        """Whether there is still something to find out about it."""
        return item in self._taken

    def ready(self) -> Iterator[Answer]:
        """Answers whose turn it is."""
        while self._taken and (answer := self._taken[first := next(iter(self._taken))]) is not None:
            del self._taken[first]
            self._bytes -= len(answer.row or b"")
            if answer.last:
                self._taken.clear()  # all are behind the end
                self._bytes = 0
            yield answer


class Schedule:
    """Shares lanes out among workers.

    The pictures are for all. A worker stays with its video, since it would have to decode another up to where that one
    is wanted; where no video is left that nobody has begun, it helps with one.
    """

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self.lanes = {lane.video: lane for lane in lanes}
        self._fresh = deque(self.lanes.values())
        self._begun: list[Lane] = []
        self._places: dict[int, Lane] = {}  # of the workers
        self._again: deque[Item] = deque()
        self._deaths: Counter[Item] = Counter()

    @property
    def done(self) -> bool:
        """Whether every row was handed out."""
        return not self._fresh and not self._begun

    def next_for(self, worker: int, count: int) -> list[Item]:
        """What it shall do next, at most so many; nothing where all waits for others."""
        while self._again:
            if self._lane_of(item := self._again.popleft()).wants(item):
                return [item]  # alone: if a worker dies of it once more, it was this one
        while lane := self._place_of(worker):
            if items := lane.take(count):
                return items
        return []

    def _place_of(self, worker: int) -> Lane | None:
        mine = self._places.get(worker)
        if mine and mine.open:
            return mine
        found: Lane | None
        if self._fresh:
            self._begun.append(found := self._fresh.popleft())
        else:
            helpers = Counter(id(lane) for lane in self._places.values())
            found = min((lane for lane in self._begun if lane.open), key=lambda lane: helpers[id(lane)], default=None)
        if found:
            self._places[worker] = found
        return found

    def answer(self, item: Item, answer: Answer) -> None:
        """What came of one item."""
        self._lane_of(item).answer(item, answer)

    def lose(self, lost: Lost) -> None:
        """A worker died: what it held is tried once more, the second time it is given up."""
        for item in lost.held:
            self._deaths[item] += 1
            if self._deaths[item] > 1:
                self.answer(item, failure(item, f"two workers died of it: the last one was {lost.reason}"))
            else:
                self._again.append(item)
        self._again.extend(lost.others)

    def ready(self) -> Iterator[tuple[Lane, Answer]]:
        """Answers whose turn it is in the output."""
        for lane in self._begun:
            for answer in lane.ready():
                yield lane, answer
        self._begun = [lane for lane in self._begun if not lane.done]

    def expected(self) -> int:
        """How many items there are, as far as it can be told: a video that nobody has opened counts as the others."""
        known = [lane.size for lane in self.lanes.values() if lane.video and lane.size]
        unknown = sum(lane.size is None for lane in self.lanes.values())
        pictures = self.lanes[None].size or 0 if None in self.lanes else 0
        return pictures + sum(known) + unknown * (sum(known) // len(known) if known else 1)

    def _lane_of(self, item: Item) -> Lane:
        return self.lanes[None if item.frame is None else item.input]


class Pace:
    """How many items a worker is given at a time: what takes it `SHARD_S`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._items = 1
        self._begun: dict[int, tuple[float, int]] = {}

    def begins(self, worker: int, items: int) -> None:
        """It works on so many from now on."""
        self._begun[worker] = self._clock(), items

    def of(self, worker: int) -> int:
        """For a worker that is free."""
        if worker in self._begun:
            at, items = self._begun.pop(worker)
            fitting = int(items * SHARD_S / max(self._clock() - at, 1e-6))
            self._items = min(SHARD_ITEMS, max(1, fitting), 2 * self._items)
        return self._items
