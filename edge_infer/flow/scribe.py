"""A thread that writes what others hand over, and gives way to them."""

import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Generic, TypeVar

from edge_infer.errors import TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.mailbox import Closed, Mailbox
from edge_infer.flow.priority import give_way
from edge_infer.flow.worker import Worker

log = logging.getLogger(__name__)

END_S = 5.0  # for what waits at the end

G = TypeVar("G")


class Scribe(ABC, Generic[G]):
    """The thread `record:<name>`, and `what` it records, as the log says it; what cannot be written is left out."""

    def __init__(self, name: str, what: str, waiting: int) -> None:
        """Start; the newest of what is `waiting` win."""
        self._what = what
        self._lost = 0  # had no place in time, or could not be written
        self._told = False
        self._mailbox: Mailbox[G] = Mailbox(waiting, lossy=True)
        self._worker = Worker(f"record:{name}", self._run, Backoff(base=1.0, cap=30.0))
        self._worker.start()

    @abstractmethod
    def _write(self, given: G) -> None:
        """Write it, or raise OSError."""

    @abstractmethod
    def _end(self) -> None:
        """Finish what was begun: nothing more comes."""

    def close(self) -> None:
        """Write what waits, for some seconds."""
        self._mailbox.close()
        self._worker.join(END_S)
        self._worker.stop()
        if self._worker.error:
            log.error("the recording of %s broke off: %s", self._what, self._worker.error)

    @property
    def dropped(self) -> int:
        """How much was left out."""
        return self._lost + self._mailbox.dropped + len(self._mailbox)

    def _put(self, given: G, timeout: float | None = None) -> None:
        with suppress(Closed):
            if not self._mailbox.put(given, timeout):
                self._lost += 1

    def _run(self, worker: Worker) -> None:
        give_way()
        try:
            while True:
                if given := self._mailbox.get():
                    if self._mailbox.dropped and not self._told:
                        self._told = True
                        log.warning("%s come faster than they can be recorded", self._what)
                    self._write(given)
                    worker.progress()
        except Closed:
            self._end()
        except OSError as error:
            self._lost += 1
            raise TransientError(f"cannot record {self._what}: {error.strerror}") from error
