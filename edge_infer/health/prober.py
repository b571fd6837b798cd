"""A probe that may hang, asked again and again in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
FAREWELL_S = 0.2
LATE_S = 5.0  # beyond its turn: a probe that has still not answered hangs


class Prober(Generic[T]):
    """What `probe` said last, at most a few seconds more than `every` seconds ago."""

    def __init__(self, name: str, probe: Callable[[], T], every: float) -> None:
        self._probe = probe
        self._every = every
        self._said: tuple[float, T] | None = None  # when (monotonic), and what
        self._failed = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe:{name}", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a probe that hangs is left behind."""
        self._stopping.set()
        self._thread.join(FAREWELL_S)

    @property
    def value(self) -> T | None:
        """The last answer; None before the first, and where it is so old that it may no longer be true."""
        said = self._said
        return said[1] if said and time.monotonic() - said[0] < self._every + LATE_S else None

    def _run(self) -> None:
        while True:
            try:
                self._said = (time.monotonic(), self._probe())
            except Exception as error:  # noqa: BLE001 - a machine that cannot be measured still infers
                if str(error) != self._failed:
                    log.warning("%s failed: %s", self._thread.name, error)
                self._failed = str(error)
            if self._stopping.wait(self._every):
                return
