"""Frames of a video file."""

import logging
import time
from pathlib import Path
from typing import Literal

import cv2

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.pace import sleep_until
from edge_infer.sources.quiet import quieten_opencv
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Frame

log = logging.getLogger(__name__)

# Measured: FFmpeg gives up once at a damaged frame and goes on behind it when it is asked again. So many in a row are
# tried, a second of most videos, while the file promises more.
DAMAGED_IN_A_ROW = 25
# Source: FFmpeg, these demuxers read how many frames there are from an index. Of others OpenCV reckons it from duration
# and rate, so the duration counts; it lasts longer than until the last frame by that one's own time, and by sound.
INDEXED = frozenset({".avi", ".m4v", ".mov", ".mp4"})
LAST_S, LAST_SHARE = 1.0, 0.02
LONGEST_PAUSE = 2.0  # s; a damaged time stamp must not hold up a daemon that wants to stop


class VideoSource(BaseSource):
    """Every frame of a file, in order; none is dropped.

    A damaged frame leaves a gap in the numbers; a file that was cut off ends where it can no longer be read. Both are
    logged.

    Args:
        loop: start again at the end; the numbers go on
        pace: "fast" as the reader asks; "realtime" not before the file's own time stamps say
    """

    def __init__(
        self, path: str | Path, *, name: str = "", loop: bool = False, pace: Literal["fast", "realtime"] = "fast"
    ) -> None:
        super().__init__(name or Path(path).name, live=False)
        self._path = Path(path)
        self._loop = loop
        self._realtime = pace == "realtime"
        self._number = -1  # of the frame on which the capture stands
        self._ahead = False  # it has not been given yet
        self._rounds_s = 0.0  # how long the rounds lasted that are over
        quieten_opencv()
        self._open()

    def read(self) -> Frame:
        """The next frame.

        Raises:
            EndOfStream: that was the last, or the source is closed.
        """
        while True:
            self._advance()
            if self._realtime:
                shown_at = self._started + self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
                sleep_until(min(shown_at, time.monotonic() + LONGEST_PAUSE))
            captured_at, captured_ns = clocks()
            decoded, data = self._capture.retrieve()
            if decoded:
                return Frame(
                    self.name, self._number, data, captured_at, captured_ns, str(self._path), media_s=self._media_s
                )
            self._leave_out(self._number, 1)

    def skip(self, frames: int) -> None:
        """Leave out the next numbers; that costs the decoding of their frames alone.

        Raises:
            EndOfStream: there is no frame behind them.
        """
        if frames:
            wanted = self._number + frames + (not self._ahead)
            while self._number < wanted:
                self._advance()
            self._ahead = True

    @property
    def position_s(self) -> float | None:
        """The time in the video of the frame that was read last, in seconds; None where the file does not tell."""
        milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        return milliseconds / 1e3 if milliseconds >= 0 else None

    @property
    def _media_s(self) -> float | None:
        """The time of the present frame since the first began, through all rounds."""
        return None if self._at_s is None else self._rounds_s + self._at_s

    @property
    def promised(self) -> int | None:
        """How many frames the file's header says it holds; None where it says nothing. It may be wrong."""
        frames = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(frames) if frames > 0 else None

    def close(self) -> None:
        """Close the file."""
        self._loop = self._ahead = False
        self._capture.release()

    def _open(self) -> None:
        if not self._path.is_file():
            raise UnavailableError(f"there is no video at {self._path}: check the path")
        # An absolute path: FFmpeg would take what stands before a colon for a protocol.
        self._capture = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)
        self._first = self._number + 1  # of this round
        self._at_s: float | None = None  # the time in the video of the frame on which the capture stands
        if not self._grab():
            self._capture.release()
            raise InputError(f"{self._path} cannot be read as a video: it is damaged, empty, protected or none")
        self._ahead = True
        self._started = time.monotonic()

    def _advance(self) -> None:
        """Stand on the next frame."""
        if not self._ahead and not self._grab():
            self._tell_the_end()
            if not self._loop:
                raise EndOfStream
            fps = self._capture.get(cv2.CAP_PROP_FPS)
            self._rounds_s += (self._at_s or 0.0) + (1.0 / fps if fps > 0 else 0.0)
            self._open()
        self._ahead = False

    def _grab(self) -> bool:
        """Stand on the next frame that can be decoded, if there is one."""
        following = self._number + 1
        left = (self.promised or 0) - (following - self._first)
        for damaged in range(1 + max(0, min(DAMAGED_IN_A_ROW, left - 1))):
            if self._capture.grab():
                self._number, self._at_s = following + damaged, self.position_s  # it is 0 after the end
                if damaged:
                    self._leave_out(following, damaged)
                return True
        return False

    def _leave_out(self, number: int, frames: int) -> None:
        if not self.skipped["corrupt"]:
            log.warning(
                "%s is damaged at frame %d: what cannot be decoded is left out", self._path, number - self._first
            )
        self.skipped["corrupt"] += frames

    def _tell_the_end(self) -> None:
        """Say so, where the file breaks off."""
        read, promised = self._number + 1 - self._first, self.promised or 0
        if self._path.suffix.lower() in INDEXED:
            if read < promised:
                log.warning("%s ends after frame %d of %d: it was cut off, or is damaged", self._path, read, promised)
            return
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        lasts, at = promised / fps if fps > 0 else 0.0, self._at_s
        if at is not None and lasts - at > max(LAST_S, LAST_SHARE * lasts):
            why = "it was cut off, or is damaged"
            log.warning("%s ends after frame %d, at %.1f of %.1f s: %s", self._path, read, at, lasts, why)
