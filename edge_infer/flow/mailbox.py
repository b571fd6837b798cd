"""The one way in which threads hand things over."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 - control flow, not an error
    """The mailbox was closed, and is empty."""


class Mailbox(Generic[T]):
    """A bounded hand-over between threads: `put == taken + dropped + waiting` at any time.

    Lossy (live sources): a full mailbox replaces its oldest item and counts it, so the newest wins.
    Not lossy (files): `put` waits until only a quarter is left, so that two threads do not wake each other for each
    item.
    """

    def __init__(self, capacity: int = 1, *, lossy: bool) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, expected at least 1")
        self.capacity = capacity
        self.lossy = lossy
        self.dropped = 0
        self._items: deque[T] = deque()
        lock = threading.Lock()
        self._filled, self._emptied = threading.Condition(lock), threading.Condition(lock)
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, timeout: float | None = None) -> bool:
        """Hand over `item`; False if there was no room in `timeout` seconds (never for a lossy mailbox).

        Raises:
            Closed: nobody will take it any more.
        """
        with self._filled:
            if len(self._items) >= self.capacity and not self._closed:
                if self.lossy:
                    self._items.popleft()
                    self.dropped += 1
                elif not self._emptied.wait_for(self._has_room, timeout) and len(self._items) >= self.capacity:
                    return False
            if self._closed:
                raise Closed
            self._items.append(item)
            self._filled.notify()
            return True

    def get(self, timeout: float | None = None) -> T | None:
        """The oldest item, or None if none came in `timeout` seconds.

        Raises:
            Closed: it is empty and nothing will come.
        """
        with self._filled:
            if not self._items:
                self._filled.wait_for(lambda: self._items or self._closed, timeout)
            if not self._items:
                if self._closed:
                    raise Closed
                return None
            item = self._items.popleft()
            if self._has_room():
                self._emptied.notify()
            return item

    def close(self) -> None:
        """Accept nothing more; what waits can still be taken."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()
            self._emptied.notify_all()

    def _has_room(self) -> bool:
        """For whoever has found it full."""
        return self._closed or len(self._items) <= self.capacity // 4
