"""What a pipeline sees and says, as a video with the predictions drawn."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2

from edge_infer import matroska
from edge_infer.draw import VIDEO_QUALITY, draw, encode_jpeg
from edge_infer.errors import UnavailableError, UsageError
from edge_infer.flow.scribe import Scribe
from edge_infer.sources.address import VIDEO_SUFFIXES
from edge_infer.types import Array, Frame, Result, Size

log = logging.getLogger(__name__)

SUFFIX = ".mkv"
MAX_BYTES = 2_000_000_000  # of a file; as much again for the one before it. Measured: 45 kB for a picture of 640x480
SPARE_BYTES = 200_000_000  # that a disk keeps for everything else
WAITING = 4  # frames: of a live source the oldest is dropped beyond; each may be 25 MB
FILE_WAIT_S = 10.0  # a file's frame waits so long for its place; a disk that hangs must not hold up results for ever
PICTURE_MS = 1000  # a picture of a folder is shown so long
RESTARTED_MS = 5000  # a frame so much older than the last one is the first of a file that is read again
EMPTY_BYTES = 1000  # a file without a picture is smaller
USUAL_FPS = 25.0  # of a video file that does not say


class Recording:
    """One file for each pipeline; call it with each frame and its result, from any thread: it never waits for long.

    Times are those of the frames: a live source's own, of a video file its frame rate. A file that would grow beyond
    2 GB, or is there already, is moved to `<name>.1.mkv`, so that it all takes at most twice that.
    """

    def __init__(self, path: Path, pipelines: Sequence[str]) -> None:
        """Record into `path`; of several pipelines into `<path>-<pipeline>.mkv`.

        Raises:
            UsageError: another kind of file is asked for.
            UnavailableError: its folder is not there.
        """
        if path.suffix.lower() != SUFFIX:
            raise UsageError(
                f"--record writes Matroska, which survives a kill: name it {path.stem}{SUFFIX}, not {path.name} "
                f"(`ffmpeg -i {path.stem}{SUFFIX} {path.stem}.mp4` makes another kind of it afterwards)"
            )
        if not os.access(path.parent, os.W_OK):
            raise UnavailableError(f"cannot write into {path.parent}: make the folder, or give another --record")
        self._path = path
        self._alone = len(pipelines) == 1
        self._tapes: dict[str, Tape] = {}
        self._lock = threading.Lock()

    def __call__(self, pipeline: str, frame: Frame, result: Result) -> None:
        """Take over a frame and what was said about it."""
        with self._lock:
            if pipeline not in self._tapes:
                name = self._path.stem if self._alone else f"{self._path.stem}-{pipeline}"
                self._tapes[pipeline] = Tape(self._path.with_name(name + SUFFIX))
        self._tapes[pipeline].take(frame, result)

    def close(self) -> None:
        """Write what waits, and say what became of it all."""
        for tape in self._tapes.values():
            tape.close()


class Tape(Scribe[tuple[Frame, Result]]):
    """The file of one pipeline."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pictures = 0
        self._film: Film | None = None
        self._clock = Clock()
        super().__init__(path.name, f"pictures into {path}", WAITING)

    def take(self, frame: Frame, result: Result) -> None:
        """Take over a frame: of a live source the newest win; those of a file wait for their place."""
        of_file = frame.path is not None or frame.media_s is not None
        self._mailbox.lossy = not of_file or not self._worker.alive or self._worker.last_retry is not None
        self._put((frame, result), FILE_WAIT_S)

    def close(self) -> None:
        """Write what waits, for some seconds."""
        super().close()
        if not self._worker.error:
            said = {"path": str(self.path), "pictures": self.pictures, "dropped": self.dropped}
            log.info("recorded", extra=said)

    def _write(self, given: tuple[Frame, Result]) -> None:
        frame, result = given
        at_ms = self._clock.at_ms(frame)
        if self._film and (self._film.bytes > MAX_BYTES or at_ms < self._film.ends_ms - RESTARTED_MS):
            self._end()
        drawn = draw(frame.data, result)
        if self._film is None:
            self._put_aside()
            self._film = Film(self.path, (drawn.shape[1], drawn.shape[0]), at_ms, frame.captured_at)
        if self._film.add(drawn, at_ms):
            self.pictures += 1
        else:  # of several workers one was slower
            self._lost += 1

    def _put_aside(self) -> None:
        """Keep what is there already; an empty one, of a disk that was full, is no loss."""
        if self.path.exists() and self.path.stat().st_size > EMPTY_BYTES:
            self.path.replace(self.path.with_name(f"{self.path.stem}.1{SUFFIX}"))

    def _end(self) -> None:
        if self._film:
            self._film.close()
            self._film = None


class Clock:
    """When each frame is shown: milliseconds, from any beginning."""

    def __init__(self) -> None:
        self._fps: dict[str, float] = {}  # of files

    def at_ms(self, frame: Frame) -> int:
        """A live source's clock; of a file its own, whatever the pace it was read at; a picture has a second."""
        if frame.media_s is not None and (frame.span or frame.path is None):
            return round(frame.media_s * 1e3)
        if frame.path is None:
            return frame.captured_ns // 1_000_000
        if Path(frame.path).suffix.lower() not in VIDEO_SUFFIXES:
            return frame.number * PICTURE_MS
        if frame.path not in self._fps:
            capture = cv2.VideoCapture(str(Path(frame.path).absolute()), cv2.CAP_FFMPEG)
            fps = capture.get(cv2.CAP_PROP_FPS)
            capture.release()
            self._fps[frame.path] = fps if 0 < fps < 1000 else USUAL_FPS
        return round(frame.number / self._fps[frame.path] * 1e3)


class Film:
    """An open file; each picture is written whole, in one go, without a buffer: a kill costs at most the last one."""

    def __init__(self, path: Path, size: Size, begins_ms: int, began_at: float) -> None:
        """Begin it.

        Raises:
            OSError: it cannot be written.
        """
        self.bytes = 0
        self._begins_ms = begins_ms
        self._size = size
        self._last_ms = -1
        self._step_ms = 0
        self._checked = -1.0
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._append(matroska.header(size, began_at))

    @property
    def ends_ms(self) -> int:
        """When its last picture is shown, by the clock of its first."""
        return self._begins_ms + self._last_ms

    def add(self, image: Array, at_ms: int) -> bool:
        """Add a picture, made as large as the first; False if it is not later than the last.

        Raises:
            OSError: it cannot be written; what is there already stays whole.
        """
        place = at_ms - self._begins_ms
        if place <= self._last_ms:
            return False
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._keep_spare()
        self._append(matroska.picture(encode_jpeg(image, VIDEO_QUALITY), place))
        self._step_ms = place - max(0, self._last_ms)
        self._last_ms = place
        return True

    def close(self) -> None:
        """Write how long it lasts."""
        place, content = matroska.duration(float(max(0, self._last_ms) + self._step_ms))
        with suppress(OSError):
            os.pwrite(self._file.fileno(), content, place)
        self._file.close()

    def _append(self, content: bytes) -> None:
        try:
            written = 0
            while written < len(content):
                written += os.write(self._file.fileno(), content[written:])
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.bytes)
                self._file.seek(self.bytes)
            raise
        self.bytes += len(content)

    def _keep_spare(self) -> None:
        """Once a second: a recording must not take the room that results need."""
        if time.monotonic() - self._checked < 1.0:
            return
        self._checked = time.monotonic()
        if shutil.disk_usage(self._path.parent).free < SPARE_BYTES:
            raise OSError(0, f"less than {SPARE_BYTES / 1e6:.0f} MB are free")
