"""Frames of a video file."""

import time
from pathlib import Path
from typing import Literal

import cv2

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.pace import sleep_until
from edge_infer.sources.quiet import quieten_opencv
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Frame

LONGEST_PAUSE = 2.0  # s; a damaged time stamp must not hold up a daemon that wants to stop


class VideoSource(BaseSource):
    """Every frame of a file, in order; none is dropped. A file that was cut off ends where it can no longer be read.

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
        self._number = -1
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
                return Frame(self.name, self._number, data, captured_at, captured_ns, str(self._path))
            self.skipped["corrupt"] += 1

    def skip(self, frames: int) -> None:
        """Leave out the next frames; that costs their decoding alone.

        Raises:
            EndOfStream: there are not so many.
        """
        for _ in range(frames):
            self._advance()

    @property
    def position_s(self) -> float | None:
        """The time in the video of the frame that was read last, in seconds; None where the file does not tell."""
        milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        return milliseconds / 1e3 if milliseconds >= 0 else None

    @property
    def promised(self) -> int | None:
        """How many frames the file's header says it holds; None where it says nothing. It may be wrong."""
        frames = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(frames) if frames > 0 else None

    def close(self) -> None:
        """Close the file."""
        self._loop = self._at_first = False
        self._capture.release()

    def _open(self) -> None:
        if not self._path.is_file():
            raise UnavailableError(f"there is no video at {self._path}: check the path")
        # An absolute path: FFmpeg would take what stands before a colon for a protocol.
        self._capture = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)
        self._at_first = self._capture.grab()
        self._started = time.monotonic()
        if not self._at_first:
            self._capture.release()
            raise InputError(f"{self._path} cannot be read as a video: it is damaged, empty, protected or none")

    def _advance(self) -> None:
        """Stand on the next frame."""
        if not self._at_first and not self._capture.grab():
            if not self._loop:
                raise EndOfStream
            self._open()
        self._at_first = False
        self._number += 1
