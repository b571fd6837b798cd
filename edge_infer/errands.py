"""What one thread asks of another, which does it when it has time."""

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

from edge_infer.errors import UnavailableError

Arguments: TypeAlias = Mapping[str, object]
Act: TypeAlias = Callable[[Arguments], object]

MAX_WAITING = 100  # more would wait for minutes, and whoever asked is gone by then


@dataclass(frozen=True)
class _Errand:
    act: Act
    arguments: Arguments
    future: "Future[object]" = field(default_factory=Future)

    def do(self) -> None:
        try:
            outcome = self.act(self.arguments)
        except Exception as error:  # noqa: BLE001 - the boundary: whoever asked reads it
            self.future.set_exception(error)
            return
        if isinstance(outcome, Future):
            outcome.add_done_callback(self._pass_on)
        else:
            self.future.set_result(outcome)

    def _pass_on(self, done: "Future[object]") -> None:
        if error := done.exception():
            self.future.set_exception(error)
        else:
            self.future.set_result(done.result())


class Errands:
    """`ask` and `wake` may be called from any thread and from signal handlers; all else from the one that does them."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Errand | None] = queue.SimpleQueue()  # its put may interrupt its get
        self._closed = False

    def ask(self, act: Act, arguments: Arguments) -> "Future[object]":
        """What will come of it; where that is a Future, what comes of that.

        Raises:
            UnavailableError: too many wait, or it is ending.
        """
        if self._closed or self._waiting.qsize() >= MAX_WAITING:
            raise UnavailableError(
                "the device is ending" if self._closed else "too many commands wait: try again later"
            )
        errand = _Errand(act, arguments)
        self._waiting.put(errand)
        return errand.future

    def wake(self) -> None:
        """Let `do_next` return."""
        self._waiting.put(None)

    def do_next(self, timeout: float) -> None:
        """Do what waits longest, or return after `timeout` seconds."""
        try:
            errand = self._waiting.get(timeout=timeout)
        except queue.Empty:
            return
        if errand:
            errand.do()

    def close(self) -> None:
        """Refuse what waits and what comes."""
        self._closed = True
        while not self._waiting.empty():
            if errand := self._waiting.get_nowait():
                errand.future.set_exception(UnavailableError("the device is ending"))
