"""The one way in which threads hand things over."""

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 - control flow, not an error
    """The mailbox was closed, and is empty."""


class Mailbox(Generic[T]):
    """A bounded hand-over between threads: `put == taken + dropped + waiting` at any time.

    Lossy (live sources): a full mailbox replaces its oldest item and counts it, so the newest wins.
    Not lossy (files): `put` waits for room.
    """

    def __init__(self, capacity: int = 1, *, lossy: bool) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, expected at least 1")
        self.capacity = capacity
        self.lossy = lossy
        self.dropped = 0
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, timeout: float | None = None) -> bool:
        """Hand over `item`; False if there was no room in `timeout` seconds (never for a lossy mailbox).

        Raises:
            Closed: nobody will take it any more.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._closed and not self.lossy and len(self._items) >= self.capacity:
                if not self._changed.wait(_left(deadline)):
                    return False
            if self._closed:
                raise Closed
            if len(self._items) >= self.capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout: float | None = None) -> T | None:
        """The oldest item, or None if none came in `timeout` seconds.

        Raises:
            Closed: it is empty and nothing will come.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._items:
                if self._closed:
                    raise Closed
                if not self._changed.wait(_left(deadline)):
                    return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Accept nothing more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
