"""Reading the configuration again, in a thread of its own: whatever hangs in it, all else goes on."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from edge_infer.errands import Errands
from edge_infer.errors import EdgeInferError, UnavailableError
from edge_infer.rehearsing import Rehearsing

log = logging.getLogger(__name__)

REHEARSE_S = 60.0  # for the file, the models and the source files in it
New = TypeVar("New")


class Reloading(Generic[New]):
    """`ask`, `turn` and `take_over` belong to the main loop, `rehearse` is called in a thread.

    Attributes:
        refused: what is wrong with the file that was read last, in a sentence
    """

    def __init__(
        self, rehearse: Callable[[], New], take_over: Callable[[New], dict[str, list[str]]], errands: Errands
    ) -> None:
        """Prepare; `rehearse` reads the file and tries what is new in it, `take_over` puts it in force."""
        self.refused: str | None = None
        self._rehearse = rehearse
        self._take_over = take_over
        self._rehearsing = Rehearsing[New]("reload", self._accept, self._end, errands)
        self._served: list[Future[object]] = []
        self._waiting: list[Future[object]] = []  # who asked after the file was read

    def ask(self) -> "Future[object]":
        """Read the file; says then what has changed."""
        future: Future[object] = Future()
        self._waiting.append(future)
        if not self.busy:
            self._begin()
        return future

    @property
    def busy(self) -> bool:
        """True while it is read and tried."""
        return self._rehearsing.busy

    def turn(self) -> None:
        """Give it up, if it hangs."""
        self._rehearsing.turn()

    def close(self) -> None:
        """Refuse who waits: the daemon ends."""
        for future in self._served + self._waiting:
            future.set_exception(UnavailableError("the device is ending"))
        self._served, self._waiting = [], []

    def _begin(self) -> None:
        self._served, self._waiting = self._waiting, []
        self._rehearsing.begin(
            self._rehearse, REHEARSE_S, f"it could not be read and its models not be loaded in {REHEARSE_S:.0f} s"
        )

    def _accept(self, new: New) -> None:
        try:
            changes = self._take_over(new)
        except EdgeInferError as error:
            self._end(error)
            return
        log.info("the configuration was read again", extra={name: ",".join(found) for name, found in changes.items()})
        self._end(changes)

    def _end(self, outcome: Exception | dict[str, list[str]]) -> None:
        refused = "; ".join(str(outcome).splitlines()) if isinstance(outcome, Exception) else None
        self.refused = f"the file is refused, all stays as it was: {refused}" if refused else None
        if refused:
            log.error("the configuration is refused, all stays as it was: %s", refused)
        served, self._served = self._served, []
        for future in served:
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        if self._waiting:
            self._begin()
