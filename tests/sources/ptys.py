"""A serial port whose other end a test holds."""

import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Plug:
    """What is plugged into a port that is found at `path` as udev's links are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends: tuple[int, int] | None = None

    def plug(self) -> None:
        """It is there, and says nothing yet."""
        here, there = os.openpty()
        tty.setraw(there)
        self._ends = here, there
        link = self.path.with_suffix(".new")
        link.symlink_to(os.ttyname(there))
        link.rename(self.path)

    def unplug(self) -> None:
        if self._ends:
            for end in self._ends:
                with suppress(OSError):
                    os.close(end)
            self._ends = None
        self.path.unlink(missing_ok=True)

    def send(self, text: str | bytes) -> None:
        assert self._ends, "it is plugged in"
        os.write(self._ends[0], text.encode() if isinstance(text, str) else text)


@contextmanager
def plugged(path: Path) -> Iterator[Plug]:
    plug = Plug(path)
    plug.plug()
    try:
        yield plug
    finally:
        plug.unplug()
