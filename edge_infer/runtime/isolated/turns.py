"""Who may use which of several things now: a queue before several counters."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class _Wish(Generic[T]):
    wanted: Sequence[T]
    hopeful: bool
    granted: T | None = None
    settled: threading.Event = field(default_factory=threading.Event)


class Turns(Generic[T]):
    """Each thing is used by one thread at a time; who waits longest is next. Never held while something is used."""

    def __init__(self) -> None:
        self._free: set[T] = set()
        self._open: set[T] = set()  # free or in use
        self._coming: set[T] = set()
        self._wishes: deque[_Wish[T]] = deque()
        self._lock = threading.Lock()

    def take(self, wanted: Sequence[T], timeout: float, *, hopeful: bool) -> T | None:
        """The first of `wanted` that is free; None where none is open any more (`hopeful`: nor coming).

        Raises:
            TimeoutError: all were in use (or coming) for so long.
        """
        with self._lock:
            for thing in wanted:
                if thing in self._free:
                    self._free.remove(thing)
                    return thing
            wish = _Wish(wanted, hopeful)
            if not self._can_be(wish):
                return None
            self._wishes.append(wish)
        if not wish.settled.wait(timeout):
            with self._lock:
                if not wish.settled.is_set():
                    self._wishes.remove(wish)
                    raise TimeoutError
        return wish.granted

    def offer(self, thing: T) -> None:
        """It is free: used no more, or ready."""
        with self._lock:
            self._coming.discard(thing)
            self._open.add(thing)
            for wish in self._wishes:
                if thing in wish.wanted:
                    self._wishes.remove(wish)
                    wish.granted = thing
                    wish.settled.set()
                    return
            self._free.add(thing)

    def withdraw(self, thing: T, *, coming: bool) -> None:
        """It cannot be used now; `coming`: but soon."""
        with self._lock:
            self._free.discard(thing)
            self._open.discard(thing)
            (self._coming.add if coming else self._coming.discard)(thing)
            for wish in [wish for wish in self._wishes if not self._can_be(wish)]:
                self._wishes.remove(wish)
                wish.settled.set()

    def _can_be(self, wish: _Wish[T]) -> bool:
        return any(thing in self._open or (wish.hopeful and thing in self._coming) for thing in wish.wanted)
