"""Events that have begun and not ended, on the disk: who starts next ends them."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edge_infer.deliver.event_journal import Begun, EventJournal, Line
from edge_infer.errors import TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.worker import Worker
from edge_infer.types import Event

log = logging.getLogger(__name__)

WAIT_S = 1.0  # a start waits for the disk, but at most so long
STUCK_S = 2.5  # an access that takes longer: the disk does not answer
LOOK_S = 1.0  # how often it is asked whether ends are safe
MOST = 1000  # that wait for that


class OpenEvents:
    """Keeps a file with all events that go on; any thread may call.

    A start is on the disk before it goes out, and is forgotten when its end is safe: a power cut may give an event a
    second end, with the reason "restarted", never none.
    """

    def __init__(self, path: Path, is_safe: Callable[[int], bool] = lambda _seq: True) -> None:
        """`is_safe` says whether the record with a number survives a power cut."""
        self._path = path
        self._journal = EventJournal(path)
        self._is_safe = is_safe
        self._open: dict[str, Begun] = {}
        self._lines: list[Line] | None = []  # that are not in the file yet; None: too many
        self._ended: dict[str, int] = {}  # the numbers of their ends
        self._changed = threading.Condition()
        self._wanted = self._written = 0  # states of the file
        self._closing = False
        self._failure: str | None = None
        self._worker = Worker("events", self._run, Backoff(base=0.5, cap=30.0))

    def start(self) -> list[Begun]:
        """Begin to keep them; returns the ends of those that an earlier start has left, each with its pipeline."""
        left = self._read()
        with self._changed:
            self._open |= {event.id: (pipeline, event) for pipeline, event in left}
        self._worker.start()
        now, now_ns = time.time(), time.monotonic_ns()
        return [(pipeline, _ended(event, now, now_ns)) for pipeline, event in left]

    def begins(self, event: Event, pipeline: str) -> None:
        """Keep it, before it goes out; waits for the disk where that answers."""
        with self._changed:
            begun = self._open[event.id] = (pipeline, replace(event, detail=None))
            self._changes([begun])
            mine = self._wanted
            self._changed.notify_all()
            if self.trouble is None and self._worker.alive:
                self._changed.wait_for(lambda: self._written >= mine or self._failure is not None, WAIT_S)

    def ends(self, event: Event, seq: int) -> None:
        """Forget it, once the record with this number is safe."""
        with self._changed:
            if event.id in self._open:
                self._ended[event.id] = seq
                for id_ in list(self._ended)[:-MOST]:
                    self._forget(id_)

    def close(self) -> None:
        """Write what is known now, and end; after all ends went out."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._failure is None:
            self._worker.join(STUCK_S)
        self._worker.abandon()

    @property
    def trouble(self) -> str | None:
        """Why nothing is kept now, in a sentence."""
        if self._worker.heartbeat.overdue():
            return f"the disk does not answer: writing {self._path} takes longer than {STUCK_S:g} s"
        return self._failure or (str(self._worker.error) if self._worker.error else None)

    def _run(self, worker: Worker) -> None:
        while not worker.abandoned:
            with self._changed:
                self._changed.wait_for(self._is_due, LOOK_S)
                closing = self._closing
                for id_ in [id_ for id_, seq in self._ended.items() if self._is_safe(seq)]:
                    self._forget(id_)
                state, going_on = self._wanted, list(self._open.values())
                lines, self._lines = self._lines, []
            if state != self._written:
                with worker.heartbeat.working("write", STUCK_S):
                    self._write(going_on, None if closing else lines)
                with self._changed:
                    self._written, self._failure = state, None
                    self._changed.notify_all()
                worker.progress()
            if closing:
                self._journal.close()
                return

    def _is_due(self) -> bool:
        return self._closing or self._wanted != self._written

    def _forget(self, id_: str) -> None:
        del self._ended[id_]
        if self._open.pop(id_, None):
            self._changes(id_)

    def _changes(self, line: Line) -> None:
        self._wanted += 1
        if self._lines is not None:
            self._lines.append(line)
            if len(self._lines) > MOST:  # the disk hangs, or takes nothing
                self._lines = None

    def _write(self, going_on: Sequence[Begun], lines: Sequence[Line] | None) -> None:
        """The lines behind those that are there; or all of it anew, where there are none or they have no place."""
        try:
            if not lines or not self._journal.append(lines):
                self._journal.write(going_on)
        except OSError as error:
            failure = TransientError(f"cannot keep the events that go on in {self._path}: {error.strerror}")
            with self._changed:
                self._failure = str(failure)
                self._changed.notify_all()
            raise failure from error

    def _read(self) -> list[Begun]:
        try:
            return self._journal.read()
        except OSError as error:
            log.warning("events that went on are not ended", extra={"file": str(self._path), "error": str(error)})
            return []


def _ended(event: Event, now: float, now_ns: int) -> Event:
    """Its end: nobody looked after what is known of it."""
    counts = {event.label: 0} if event.kind == "zone" else {}
    return replace(
        event,
        phase="end",
        reason="restarted",
        captured_at=now,
        captured_ns=now_ns,
        frame=None,
        score=None,
        counts=counts,
        snapshot=False,
    )
