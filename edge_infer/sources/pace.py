"""When frames are due, and which of them are too many or too old. Nothing here knows a camera."""

import time
from collections.abc import Callable


class RateLimit:
    """Admits at most `max_fps` frames a second on average, whatever their own rate; None admits all."""

    def __init__(self, max_fps: float | None) -> None:
        self._period_ns = round(1e9 / max_fps) if max_fps else 0
        self._due_ns = -self._period_ns  # the first frame is late, and so in time

    def admits(self, now_ns: int) -> bool:
        """True if a frame of this moment (monotonic) is due.

        A tenth of a period early is in time: a camera that runs at just this rate jitters.
        """
        if now_ns < self._due_ns - self._period_ns // 10:
            return False
        following = self._due_ns + self._period_ns
        self._due_ns = following if following > now_ns else now_ns + self._period_ns
        return True


class Backlog:
    """Tells the frames that a stream had stored before we came from those of now: the first come without a wait.

    Measured: OpenCV 4.11 hands out 2 s of old frames in 0.2 s after opening RTSP, OpenCV 5.0 three frames.
    """

    def __init__(self, fps: float, longest: float) -> None:
        believable = 1.0 <= fps <= 120.0  # some streams announce 0, or their 90 kHz clock
        self._patience = 0.5 / (fps if believable else 25.0)
        self._deadline = time.monotonic() + longest

    def holds(self, waited: float) -> bool:
        """True for a frame that came after `waited` seconds and was an old one; once one is new, all are."""
        if waited >= self._patience or time.monotonic() >= self._deadline:
            self._patience = 0.0
        return waited < self._patience


class Metronome:
    """Beats `fps` times a second from its creation on, without drift.

    Attributes:
        missed: beats between the last one that was waited for and the one before it
    """

    def __init__(
        self, fps: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._fps = fps
        self._clock = clock
        self._sleep = sleep
        self._start = clock()
        self._last = -1
        self.missed = 0

    def wait(self) -> int:
        """Waits for the next beat and returns its number; who comes late gets the present beat, not the missed ones."""
        present = int((self._clock() - self._start) * self._fps)
        following = self._last + 1
        self._last = max(following, present)
        self.missed = self._last - following if following else 0  # nobody has listened before the first
        sleep_until(self._start + self._last / self._fps, self._clock, self._sleep)
        return self._last


def sleep_until(
    due: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Returns at `due` seconds of the clock, at once if that has passed."""
    sleep(max(0.0, due - clock()))
