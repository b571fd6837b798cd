"""Results as JSON lines, in a file or on stdout."""

import logging
import os
import sys
from io import BufferedWriter
from pathlib import Path
from typing import BinaryIO

import msgspec

from edge_infer.errors import TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.mailbox import Closed, Mailbox
from edge_infer.flow.worker import Worker
from edge_infer.types import Result
from edge_infer.wire.results import to_wire

log = logging.getLogger(__name__)

CAPACITY = 1000  # lines that wait while the disk is slow; the oldest is dropped and counted beyond


class LinesSink:
    """One line for each result: the result's payload with the pipeline's name before it.

    A file is continued, and moved to `<name>.1` when it would grow beyond `max_bytes`, so that it takes at most
    twice that. A full disk costs lines, which are counted, never the pipeline.
    """

    def __init__(self, path: Path | None, max_bytes: int = 64_000_000) -> None:
        """Write to `path`, or to stdout where it is None."""
        self.path = path
        self.max_bytes = max_bytes
        self.taken = 0
        self.failed = 0
        self._mailbox: Mailbox[bytes] = Mailbox(CAPACITY, lossy=True)
        self._worker = Worker("lines", self._write, Backoff(base=0.5, cap=10.0))
        self._worker.start()

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        """Take over a result."""
        name = msgspec.json.encode(pipeline or result.source)
        payload = msgspec.json.encode(to_wire(result))
        self._mailbox.put(b'{"pipeline":' + name + b"," + payload[1:] + b"\n")
        self.taken += 1
        return self.taken

    def close(self) -> int:
        """Write what waits, for at most 2 seconds; returns how many lines were not written."""
        self._mailbox.close()
        self._worker.join(2.0)
        self._worker.stop()
        lost = self.failed + self._mailbox.dropped + len(self._mailbox)
        if lost:
            log.error("results were not written", extra={"path": str(self.path or "stdout"), "results": lost})
        return lost

    @property
    def error(self) -> Exception | None:
        """What ended the writing, for example that nobody reads stdout any more."""
        return self._worker.error

    def _write(self, worker: Worker) -> None:
        file: BinaryIO | BufferedWriter = sys.stdout.buffer
        line = None
        try:
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = self.path.open("ab")
            while True:
                line = self._mailbox.get()
                if line is None:
                    continue
                file = self._rotated(file, len(line))
                file.write(line)
                file.flush()
                worker.progress()
        except Closed:
            return
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is quiet
            raise
        except OSError as error:
            self.failed += line is not None
            raise TransientError(f"cannot write {self.path or 'stdout'}: {error.strerror}") from error
        finally:
            if self.path and file is not sys.stdout.buffer:
                file.close()

    def _rotated(self, file: BinaryIO | BufferedWriter, size: int) -> BinaryIO | BufferedWriter:
        if self.path is None or file.tell() == 0 or file.tell() + size <= self.max_bytes:
            return file
        file.close()
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        return self.path.open("ab")
