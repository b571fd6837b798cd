"""What every source of frames can do."""

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol, Self

from edge_infer.types import Frame


class EndOfStream(Exception):  # noqa: N818 - control flow, not an error
    """There are no more frames, and that is as it should be."""


class Source(Protocol):
    """Gives frames, one at a time, to the one thread that owns it.

    Frames are numbered from 0 for each opening, in the order in which the source meets them; what it leaves out
    leaves a gap. Another thread may call `close` once the owner has ended.

    Attributes:
        name: goes into each frame; holds no password
        live: the world does not wait for the reader, so the newest frame is worth most
        skipped: frames that the source itself left out, by cause: "rate", "stale", "corrupt"
    """

    name: str
    live: bool
    skipped: Counter[str]

    def read(self) -> Frame:
        """The next frame; waits for it, but not for ever.

        Raises:
            SourceError: it broke off, or gave nothing in time; opening it anew may help.
            EndOfStream: there are no more.
        """

    def close(self) -> None:
        """Let go of the device; may be called twice. No frame comes afterwards."""


class BaseSource(ABC):
    """Counters, `with`, and iteration until the end: what the sources here share.

    Attributes:
        patience_s: how long a read may wait where that is long; 0: not longer than usual
    """

    patience_s = 0.0

    def __init__(self, name: str, *, live: bool) -> None:
        self.name = name
        self.live = live
        self.skipped: Counter[str] = Counter()
        self._interrupted = threading.Event()

    @abstractmethod
    def read(self) -> Frame:
        """See `Source.read`."""

    @abstractmethod
    def close(self) -> None:
        """See `Source.close`."""

    def interrupt(self) -> None:
        """Asked by another thread: a read that waits long ends soon, with EndOfStream, where the source looks."""
        self._interrupted.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        with suppress(EndOfStream):
            while True:
                yield self.read()


def clocks() -> tuple[float, int]:
    """Now, as `captured_at` (wall, s) and `captured_ns` (monotonic)."""
    return time.time(), time.monotonic_ns()
