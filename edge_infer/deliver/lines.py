"""Results as JSON lines, in a file or on stdout."""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from edge_infer.errors import TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.mailbox import Closed, Mailbox
from edge_infer.flow.worker import Worker
from edge_infer.types import Event, Result
from edge_infer.wire.events import event_to_wire
from edge_infer.wire.results import to_wire

log = logging.getLogger(__name__)

STUCK_S = 2.5  # a line that is not written in this time: who should read it does not, or the disk hangs
CAPACITY = 1000  # lines that wait while the disk is slow; the oldest is dropped and counted beyond


class LinesSink:
    """One line for each result or event: its payload with the pipeline's name before it.

    A file is continued, and moved to `<name>.1` when it would grow beyond `max_bytes`, so that it takes at most
    twice that. A full disk costs lines, which are counted, never the pipeline.
    """

    def __init__(self, path: Path | None, max_bytes: int = 64_000_000) -> None:
        """Write to `path`, or to stdout where it is None."""
        self.path = path
        self.max_bytes = max_bytes
        self.taken = 0
        self._in_hand: bytes | None = None  # what could not be written yet
        self._mailbox: Mailbox[bytes] = Mailbox(CAPACITY, lossy=True)
        self._worker = Worker("lines", self._write, Backoff(base=0.5, cap=10.0))
        self._worker.start()

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        """Take over a result."""
        return self._put(pipeline or result.source, msgspec.json.encode(to_wire(result)))

    def publish_event(self, event: Event, pipeline: str) -> int:
        """Take over an event: its line has the key `event`."""
        return self._put(pipeline, b'{"event":' + msgspec.json.encode(event_to_wire(event)) + b"}")

    def _put(self, pipeline: str, payload: bytes) -> int:
        self._mailbox.put(b'{"pipeline":' + msgspec.json.encode(pipeline) + b"," + payload[1:] + b"\n")
        self.taken += 1
        return self.taken

    def close(self) -> int:
        """Write what waits, for at most 2 seconds; returns how many lines were not written."""
        self._mailbox.close()
        self._worker.join(2.0)
        self._worker.stop()
        lost = self._mailbox.dropped + len(self._mailbox) + (self._in_hand is not None)
        if lost and not isinstance(self.error, BrokenPipeError):  # whoever read stdout has left, and knows
            log.error("results were not written", extra={"path": str(self.path or "stdout"), "results": lost})
        return lost

    @property
    def error(self) -> Exception | None:
        """What ended the writing, for example that nobody reads stdout any more."""
        return self._worker.error

    @property
    def trouble(self) -> str | None:
        """Why nothing is written now, in a sentence; None while writing works."""
        if self._worker.heartbeat.overdue():
            return f"{self.path or 'stdout'} takes no line for {STUCK_S:g} s: of those that wait the oldest are dropped"
        return str(self._worker.last_retry) if self._worker.last_retry else None

    def _write(self, worker: Worker) -> None:
        with suppress(Closed):
            while True:
                self._in_hand = self._in_hand or self._mailbox.get()
                if self._in_hand is None:
                    continue
                try:
                    with worker.heartbeat.working("write", STUCK_S):
                        self._append(self._in_hand)
                except BrokenPipeError:
                    raise
                except OSError as error:
                    raise TransientError(f"cannot write {self.path or 'stdout'}: {error.strerror}") from error
                self._in_hand = None
                worker.progress()

    def _append(self, line: bytes) -> None:
        """Write one line, or nothing of it. The file is opened anew each time: it may have been moved or deleted."""
        if self.path is None:
            _write_all(sys.stdout.fileno(), line)  # past Python's buffer, whose lock would hold up the exit
            return
        self._make_room(self.path, len(line))
        with self.path.open("ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                _write_all(file.fileno(), line)
            except OSError:
                with suppress(OSError):
                    file.truncate(before)
                raise

    def _make_room(self, path: Path, size: int) -> None:
        try:
            used = path.stat().st_size
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            return
        if used and used + size > self.max_bytes:
            path.replace(path.with_name(f"{path.name}.1"))


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
