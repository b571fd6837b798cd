"""What sources of rows that come when they come share: the wait, the count, and the dates."""

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence

from edge_infer.errors import SourceError
from edge_infer.sources.readings import Layout, Row
from edge_infer.sources.sensor_settings import TimeUnit
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.times import OwnClock
from edge_infer.types import Array, Frame, Span

SLICE_S = 0.1  # of a wait: how soon a read ends that is interrupted
BACKLOG = 1000  # rows: seconds of any sensor


class LiveRows(BaseSource):
    """One row a block, `span.rate_hz` 0. What is no row is counted by cause, and its place in `span.start` stays empty.

    `skipped` counts "garbage" (no numbers), "channels" (others, or more or less of them), "overrun" (more waited than
    BACKLOG, and the oldest went).
    """

    def __init__(
        self, name: str, shown: str, layout: Layout, *, time_unit: TimeUnit | None = None, timeout_s: float
    ) -> None:
        super().__init__(name, live=True)
        self.patience_s = timeout_s
        self._shown = shown  # in messages
        self._layout = layout
        self._clock = OwnClock(layout.time, time_unit) if layout.time else None
        self._timeout_s = timeout_s
        self._waiting: deque[Frame] = deque()
        self._met = 0  # rows, good or not
        self._number = 0

    def read(self) -> Frame:
        """The next row.

        Raises:
            SourceError: none came in time, or the connection broke.
            EndOfStream: it was interrupted or closed.
        """
        deadline = time.monotonic() + self._timeout_s
        skipped = self.skipped.total()
        while not self._waiting:
            if self._interrupted.is_set():
                raise EndOfStream
            if time.monotonic() >= deadline:
                raise SourceError(self._silent(self.skipped.total() - skipped))
            self._wait(SLICE_S)
        return self._waiting.popleft()

    @abstractmethod
    def _wait(self, seconds: float) -> None:
        """Wait so long at most for what comes, and `_take` it.

        Raises:
            SourceError: the connection broke.
        """

    def _silent(self, unreadable: int) -> str:
        if unreadable:
            return f"{self._shown} sends what cannot be read ({unreadable} in {self._timeout_s:g} s)"
        return f"{self._shown} gave no readings for {self._timeout_s:g} s: check its power and its connection"

    def _take(self, items: Sequence[Row | str], at: float, ns: int, apart_ns: float = 0.0) -> None:
        """Rows that came together at this time, the last of them just then; a text is the cause of what is no row."""
        items = [self._heard(item, ns) for item in items]
        later = sum(not isinstance(item, str) for item in items)  # rows that follow
        for item in items:
            if isinstance(item, str):
                self.skipped[item] += 1
                self._met += self._number > 0  # what comes before the first row leaves no gap
                continue
            later -= 1
            late = later * apart_ns
            values, own = item
            came = (at - late / 1e9, ns - round(late)) if self._clock is None else self._clock.place(own, at, ns)
            self._append(values, *came)

    def _heard(self, item: Row | str, ns: int) -> Row | str:
        if self._clock is not None and not isinstance(item, str):
            try:
                self._clock.hear(item[1], ns)
            except (ValueError, OverflowError):
                return "garbage"
        return item

    def _append(self, values: Array, at: float, ns: int) -> None:
        if len(self._waiting) >= BACKLOG:
            self._waiting.popleft()
            self.skipped["overrun"] += 1
        span = Span(self._met, 1, 0.0, self._layout.channels, self._layout.units)
        self._waiting.append(Frame(self.name, self._number, values, at, ns, span=span))
        self._met += 1
        self._number += 1
