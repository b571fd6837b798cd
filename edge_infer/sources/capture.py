"""Frames that OpenCV captures: from a V4L2 camera, or from a stream over the network."""

import logging
import math
import os
import time
from pathlib import Path

import cv2

from edge_infer.errors import SourceError
from edge_infer.sources import replugged
from edge_infer.sources.address import mask
from edge_infer.sources.devices import list_cameras
from edge_infer.sources.pace import Backlog, RateLimit
from edge_infer.sources.quiet import quieten_opencv
from edge_infer.sources.reach import why_unreachable
from edge_infer.sources.source import BaseSource, clocks
from edge_infer.types import Array, Frame, Size

log = logging.getLogger(__name__)

OPEN_TIMEOUT_MS = 3000
READ_TIMEOUT_MS = 2000
# Measured: a read that times out hands out the frame that was left in the decoder, and only the second one fails.
LEFTOVER_S = 0.95 * READ_TIMEOUT_MS / 1e3
CORRUPT_TIMEOUT = 5.0  # s of nothing but damaged frames
BACKLOG_TIMEOUT = 3.0  # s; measured: reading the longest backlog seen (2 s of RTSP) takes 0.2 s on a PC
V4L2_TIMEOUT_S = "2"  # whole seconds; OpenCV's own default is 10
CAMERA_TRIES = 2  # timeouts: the first frame of a camera that was just opened may take longer

# Short probing opens RTSP in 0.4 s instead of 2.0 (measured, OpenCV 5.0; 4.11 ignores it). `fflags;nobuffer` is left
# out: with it OpenCV 5.0 throws the probed frames away, so that the first comes one key frame later and MP4 not at all.
STREAM_OPTIONS = "rtsp_transport;tcp|analyzeduration;200000|probesize;32768"
DECODER_THREADS = 1  # measured: each further thread delays every frame by one frame


class CaptureSource(BaseSource):
    """What cameras and streams share: a frame is grabbed, dated, and decoded only if it is wanted."""

    def __init__(self, name: str, shown: str, capture: cv2.VideoCapture, max_fps: float | None) -> None:
        super().__init__(name, live=True)
        self._shown = shown  # the address as messages may show it
        self._capture = capture
        self._limit = RateLimit(max_fps)
        self._backlog: Backlog | None = None
        self._longest_wait = math.inf  # s; a frame that comes later is an old one
        self._number = -1
        self._first: Frame | None = None

    def read(self) -> Frame:
        """The next frame; one that was grabbed too early, too late or damaged leaves a gap in the numbers.

        Raises:
            SourceError: none came in time, or the connection broke.
        """
        if self._first:
            first, self._first = self._first, None
            return first
        damaged_since = time.monotonic()
        while time.monotonic() - damaged_since < CORRUPT_TIMEOUT:
            captured_at, captured_ns = self._grab()
            data = self._retrieve()
            if data is not None:
                return Frame(self.name, self._number, data, captured_at, captured_ns)
            self.skipped["corrupt"] += 1
        raise SourceError(f"{self._shown} gives damaged frames only: check cable, signal and pixel format")

    def close(self) -> None:
        """Let go of the device or connection."""
        self._first = None
        self._capture.release()

    def _prove(self, failure: str, tries: int = 1) -> None:
        """Read the first frame: an open capture alone proves nothing, an unplugged camera has one, too."""
        for left in reversed(range(tries)):
            try:
                self._first = self.read()
            except SourceError as error:
                if not left:
                    self.close()
                    raise SourceError(failure) from error
            else:
                return

    def _grab(self) -> tuple[float, int]:
        """Stand on the next frame that is wanted; returns when it was grabbed."""
        while True:
            before = time.monotonic()
            if not self._capture.grab():
                raise SourceError(f"{self._shown} gives no more frames: check its power and its connection")
            waited = time.monotonic() - before
            if waited >= self._longest_wait:
                raise SourceError(f"{self._shown} gave no frame for {waited:.1f} s: check its power and its connection")
            captured_at, captured_ns = clocks()
            self._number += 1
            if self._backlog and self._backlog.holds(waited):
                self.skipped["stale"] += 1
            elif not self._limit.admits(captured_ns):
                self.skipped["rate"] += 1
            else:
                return captured_at, captured_ns

    def _retrieve(self) -> Array | None:
        try:
            decoded, data = self._capture.retrieve()
        except cv2.error:
            return None
        return data if decoded else None


class CameraSource(CaptureSource):
    """A V4L2 camera: webcam, capture card, or anything else under /dev/video*.

    Args:
        device: N or "N" of /dev/videoN, or a path; those in /dev/v4l stay with the camera (by-id) or the port (by-path)
            when it is plugged in anew
        size, fps, fourcc: asked of the camera, which gives the nearest that it can; "MJPG" allows more over USB 2
        max_fps: leave out frames beyond this rate without decoding them
    """

    def __init__(
        self,
        device: int | str,
        *,
        name: str = "",
        size: Size | None = None,
        fps: float | None = None,
        fourcc: str = "",
        max_fps: float | None = None,
    ) -> None:
        path = f"/dev/video{device}" if str(device).isdecimal() else str(device)
        found = replugged.find(path)
        _check_access(found)
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", V4L2_TIMEOUT_S)
        quieten_opencv()
        capture = cv2.VideoCapture(found, cv2.CAP_V4L2)
        wanted: list[tuple[int, float]] = [(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))] if fourcc else []
        wanted += [(cv2.CAP_PROP_FRAME_WIDTH, size[0]), (cv2.CAP_PROP_FRAME_HEIGHT, size[1])] if size else []
        wanted += [(cv2.CAP_PROP_FPS, fps)] if fps else []
        for setting, value in [*wanted, (cv2.CAP_PROP_BUFFERSIZE, 1)]:  # one buffer, so that no old frame waits in it
            capture.set(setting, value)
        super().__init__(name or path, f"camera {path}", capture, max_fps)
        self._prove(
            f"camera {path} gives no frames: see what uses it (fuser -v {found}), or give another size or fourcc",
            CAMERA_TRIES,
        )
        replugged.remember(path, found)
        if size and self._first and self._first.size != size:
            log.warning("camera %s gives %s pixels, not %s: it knows no such size", path, self._first.size, size)

    def _retrieve(self) -> Array | None:
        data = super()._retrieve()
        if data is None or data.ndim == 3:
            return data
        # OpenCV 4.11.0, the last that goes with tflite-runtime, leaves the pixels of cameras that give BGR in one row.
        # Source: github.com/opencv/opencv/pull/27193
        width, height = (int(self._capture.get(of)) for of in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return data.reshape(height, width, 3) if data.size == height * width * 3 else None


def _check_access(path: str) -> None:
    """There is a camera, and this user may open it.

    Raises:
        SourceError: there is not; the message names the cameras that there are.
    """
    if not Path(path).exists():
        cameras = list_cameras()
        present = ", ".join(map(str, cameras)) or "none; plug one in"
        lasts = replugged.is_number(path) and any(camera.lasting for camera in cameras)
        advice = "; a number changes when cameras are plugged in anew, a path in /dev/v4l does not" if lasts else ""
        raise SourceError(f"there is no camera at {path}; cameras of this machine: {present}{advice}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"camera {path} may not be opened: add this user to the group that owns it (video)")


class StreamSource(CaptureSource):
    """A network camera: RTSP, MJPEG over HTTP, MPEG-TS over UDP, or what else FFmpeg opens.

    Args:
        url: may hold user and password; name and messages show it without the password
        max_fps: leave out frames beyond this rate (they are decoded all the same: later ones build on them)
    """

    def __init__(self, url: str, *, name: str = "", max_fps: float | None = None) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", STREAM_OPTIONS)
        quieten_opencv()
        settings = {
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: OPEN_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: READ_TIMEOUT_MS,
        }
        if hasattr(cv2, "CAP_PROP_N_THREADS"):  # Debian 12's OpenCV 4.6 does not have it
            settings[cv2.CAP_PROP_N_THREADS] = DECODER_THREADS
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, [number for pair in settings.items() for number in pair])
        super().__init__(name or mask(url), f"stream {mask(url)}", capture, max_fps)
        self._longest_wait = LEFTOVER_S
        if not capture.isOpened():
            raise SourceError(f"cannot open stream {mask(url)}: {why_unreachable(url)}")
        if not url.lower().startswith("http"):  # a file behind HTTP never waits, all of it would be backlog
            self._backlog = Backlog(capture.get(cv2.CAP_PROP_FPS), BACKLOG_TIMEOUT)
        self._prove(f"stream {mask(url)} opens but gives no frames: check that the camera sends, and its codec")
