"""Which files a recording is made of, and which of them go when there are too many bytes."""

import os
import re
import shutil
import threading
from pathlib import Path

from edge_infer.errors import UnavailableError
from edge_infer.tape.segment import Segment

SUFFIX = ".tape"
FUSED = ".fused"  # what fusions of all pipelines were told
SPARE_BYTES = 200_000_000  # that a disk keeps for everything else
_NAME = re.compile(r"(?P<pipeline>.+)\.(?P<number>\d{8,})(\.tape|\.fused)")


def segments(folder: Path) -> dict[str, list[Path]]:
    """The files of each pipeline, in the order in which they were begun; empty where there are none."""
    found: dict[str, list[Path]] = {}
    for path in sorted(_all(folder, SUFFIX), key=_number):
        found.setdefault(_pipeline(path), []).append(path)
    return found


def fused(folder: Path) -> list[Path]:
    """The files of fusions, in the order in which they were begun."""
    return sorted(_all(folder, FUSED), key=_number)


def is_recording(folder: Path) -> bool:
    """Whether a folder holds recorded inputs."""
    return folder.is_dir() and bool(_all(folder, SUFFIX))


def _all(folder: Path, *suffixes: str) -> list[Path]:
    return [path for path in folder.glob("*") if path.suffix in suffixes and _NAME.fullmatch(path.name)]


def _pipeline(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    return match["pipeline"] if match else ""


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match["number"]) if match else -1


class Room:
    """The files of all pipelines, which together take at most `max_bytes`: the oldest go first. Any thread."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Write into `folder`, which is made; what another run has left there counts, too.

        Raises:
            UnavailableError: it cannot be written.
        """
        self.max_bytes = max_bytes
        self._folder = folder
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"cannot make the folder {folder}: {error.strerror}") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UnavailableError(f"cannot write into {folder}: give another --record-inputs")
        self._closed = {path: path.stat().st_size for path in sorted(_all(folder, SUFFIX, FUSED), key=_number)}
        self._bytes = sum(self._closed.values())
        self._next = max(map(_number, self._closed), default=0) + 1

    def begin(self, name: str, suffix: str = SUFFIX) -> Segment:
        """A new file.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            segment = Segment(self._folder / f"{name}.{self._next:08d}{suffix}")
            self._next += 1
            return segment

    def end(self, segment: Segment) -> None:
        """This file is complete, and may go when its turn comes."""
        segment.close()
        with self._lock:
            self._closed[segment.path] = segment.bytes

    def discard(self, segment: Segment) -> None:
        """This file holds nothing."""
        segment.close()
        segment.path.unlink(missing_ok=True)
        with self._lock:
            self._bytes -= segment.bytes

    def make(self, size: int) -> None:
        """Room for so many bytes more, which are counted as taken.

        Raises:
            OSError: there is none, however many old files would go; or the disk has hardly any left.
        """
        with self._lock:
            while self._bytes + size > self.max_bytes and self._closed:
                oldest = min(self._closed, key=_number)
                oldest.unlink(missing_ok=True)
                self._bytes -= self._closed.pop(oldest)
            if self._bytes + size > self.max_bytes:
                raise OSError(0, f"{size} bytes more than {self.max_bytes} hold: give more --record-inputs-bytes")
            if shutil.disk_usage(self._folder).free < SPARE_BYTES:
                raise OSError(0, f"less than {SPARE_BYTES / 1e6:.0f} MB are free")
            self._bytes += size

    def give_back(self, size: int) -> None:
        """They were not written."""
        with self._lock:
            self._bytes -= size
