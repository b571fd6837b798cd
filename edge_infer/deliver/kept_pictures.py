"""Pictures of events in a folder that does not grow beyond a number of bytes."""

import logging
import re
from contextlib import suppress
from pathlib import Path

from edge_infer.errors import TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.mailbox import Closed, Mailbox
from edge_infer.flow.worker import Worker

log = logging.getLogger(__name__)

CAPACITY = 16  # pictures that wait while the disk is slow; the oldest is dropped and counted beyond
CLOSE_S = 2.0
_OURS = re.compile(r"\.?\d+\.\d{6}-.+-\d+\.(jpg|new)")  # nothing else that lies there is deleted


class KeptPictures:
    """Writes each picture as `<id>.jpg`, in a thread of its own, and deletes the oldest beyond `max_bytes`."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """The folder is made with the first picture."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._mailbox: Mailbox[tuple[bytes, str]] = Mailbox(CAPACITY, lossy=True)
        self._worker: Worker | None = None

    def __call__(self, jpeg: bytes, event_id: str) -> None:
        """Take over a picture."""
        if self._worker is None:
            self._worker = Worker("pictures", self._write, Backoff(base=0.5, cap=30.0))
            self._worker.start()
        with suppress(Closed):
            self._mailbox.put((jpeg, event_id))

    def close(self) -> None:
        """Write what waits, for at most two seconds."""
        self._mailbox.close()
        if self._worker:
            self._worker.join(CLOSE_S)
            self._worker.abandon()
        if lost := self._mailbox.dropped + len(self._mailbox):
            log.error("pictures of events were not kept", extra={"folder": str(self._folder), "pictures": lost})

    def _write(self, worker: Worker) -> None:
        with suppress(Closed):
            while not worker.abandoned:
                if post := self._mailbox.get():
                    try:
                        self._keep(*post)
                    except OSError as error:
                        raise TransientError(f"cannot keep a picture in {self._folder}: {error.strerror}") from error
                    worker.progress()

    def _keep(self, jpeg: bytes, event_id: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room(len(jpeg))
        written = self._folder / f".{event_id}.new"
        written.write_bytes(jpeg)
        written.replace(self._folder / f"{event_id}.jpg")

    def _make_room(self, size: int) -> None:
        ours = [(path.stat(), path) for path in self._folder.iterdir() if _OURS.fullmatch(path.name)]
        used = sum(status.st_size for status, _ in ours)
        for status, path in sorted(ours, key=lambda one: (one[0].st_mtime_ns, one[1])):
            if used + size <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            used -= status.st_size
