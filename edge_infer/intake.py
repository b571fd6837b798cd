"""Frames on their way from a source to a model: the newest wins where the world does not wait, each loss is counted."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol

from edge_infer.feeding import Prepared
from edge_infer.flow.mailbox import Closed, Mailbox
from edge_infer.sources.pace import RateLimit
from edge_infer.sources.source import EndOfStream, Source
from edge_infer.types import Frame

CHECK_S = 0.5  # how often a waiting thread looks whether it should stop


class Admission(Protocol):
    """Says why a frame need not be looked at; "" where it does."""

    def __call__(self, frame: Frame, *, live: bool) -> str:
        """The cause that it is counted with."""


class Readying(Protocol):
    """Makes frames of a file ready while a model is busy (ahead.py)."""

    def depth(self, frame: Frame) -> int:
        """How many frames like this one may wait."""

    def __call__(self, frame: Frame) -> Prepared | None:
        """The frame as the model's input; None where that is left to the model."""


class Taken(NamedTuple):
    """A frame whose turn has come.

    Attributes:
        place: how many were taken before it
        prepared: what was made of it ahead, if anything
    """

    place: int
    frame: Frame
    prepared: Prepared | None = None


class Intake:
    """One thread feeds it from a source, one or more take frames from it.

    `frames + skipped by the source == taken + dropped + waiting`: `drops` counts by cause: "overrun" (a newer
    frame came first), "stale" (older than the age limit when its turn came), "rate" (above `limit`), "paused",
    "stopped" (nobody took it any more), what `gate` says, and what the source left out itself. While it is paused a
    live source is read on, so that it is known whether it still gives frames; a file waits.

    `captured` is told how long each read took, ms; of a live source that is mostly waiting for its next frame.

    Attributes:
        max_age_s: of a live source; any thread may change it, as the next two
        limit: on the frames of a live source
        paused: nothing is handed over
        gate: asked about each frame by the thread that feeds; to be set before
        taken: how many frames were
        depth: how many may wait
    """

    def __init__(
        self,
        max_age_s: float,
        captured: Callable[[float], object] = lambda _ms: None,
        ahead: Readying | None = None,
    ) -> None:
        """Nothing of a live source is made ready `ahead`: a newer frame may come."""
        self.max_age_s = max_age_s
        self._captured = captured
        self._ahead = ahead
        self.taken = 0
        self.depth = 1
        self.limit = RateLimit(None)
        self.paused = False
        self.gate: Admission | None = None
        self.frames = 0
        self.drops: Counter[str] = Counter()
        self.last_frame_ns: int | None = None  # monotonic: when the newest frame was captured
        self.live = True
        self._mailbox: Mailbox[tuple[Frame, Prepared | None]] = Mailbox(1, lossy=True)
        self._unreported: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # of who takes: places are given in the order of the frames

    def feed(self, source: Source, stopping: threading.Event, progress: Callable[[], None] = lambda: None) -> None:
        """Read until the source ends or `stopping` is set; calls `progress` after each frame.

        Raises:
            SourceError: the source broke off.
        """
        self.live = self._mailbox.lossy = source.live
        noted: Counter[str] = Counter()
        while not stopping.is_set():
            started = time.perf_counter()
            try:
                frame = source.read()
            except EndOfStream:
                break
            finally:
                if source.skipped and source.skipped != noted:
                    for cause, count in (source.skipped - noted).items():
                        self._drop(cause, count)
                    noted = source.skipped.copy()
            if self._ahead and not source.live:
                self.depth = self._ahead.depth(frame)
            self._mailbox.capacity = max(self.depth, getattr(source, "backlog", 1))  # a burst of windows is no overrun
            self.frames += 1
            self.last_frame_ns = frame.captured_ns
            self._captured((time.perf_counter() - started) * 1e3)
            progress()
            if self._left_out(frame, stopping):
                continue
            before = self._mailbox.dropped
            if not self._hand_over(frame, stopping):
                self._drop("stopped", 1)
                return
            self._drop("overrun", self._mailbox.dropped - before)

    def take(self, timeout: float = CHECK_S) -> Taken | None:
        """The newest frame (files: the next), None if none came in `timeout` seconds or it came too late.

        Raises:
            Closed: no more will come.
        """
        if not self._turn.acquire(timeout=timeout):
            return None
        try:
            waiting = self._mailbox.get(timeout)
            if waiting is None:
                return None
            frame, prepared = waiting
            if self.live and time.monotonic_ns() - frame.captured_ns > self.max_age_s * 1e9:
                self._drop("stale", 1)
                return None
            self.taken += 1
            return Taken(self.taken - 1, frame, prepared)
        finally:
            self._turn.release()

    @property
    def waiting(self) -> int:
        """How many frames could be taken now."""
        return len(self._mailbox)

    def close(self) -> None:
        """No more will come; what waits can still be taken."""
        self._mailbox.close()

    def abandon(self) -> None:
        """Nobody will take what still waits."""
        self.close()
        with suppress(Closed):
            while self._mailbox.get():
                self._drop("stopped", 1)

    def unreported_drops(self) -> dict[str, int]:
        """Dropped frames by cause, since the last call."""
        if not self._unreported:
            return {}
        with self._lock:
            unreported, self._unreported = self._unreported, Counter()
        return dict(unreported)

    def _left_out(self, frame: Frame, stopping: threading.Event) -> bool:
        """True for a frame that is not wanted; holds up a file while it is paused."""
        while self.paused and not self.live and not stopping.wait(CHECK_S):
            pass
        cause = ""
        if self.live and self.paused:
            cause = "paused"
        elif self.live and not self.limit.admits(time.monotonic_ns()):
            cause = "rate"
        elif self.gate:
            cause = self.gate(frame, live=self.live)
        self._drop(cause, 1 if cause else 0)
        return bool(cause)

    def _hand_over(self, frame: Frame, stopping: threading.Event) -> bool:
        waiting = (frame, self._ahead(frame) if self._ahead and not self.live else None)
        with suppress(Closed):
            while not self._mailbox.put(waiting, CHECK_S):
                if stopping.is_set():
                    return False
            return True
        return False

    def _drop(self, cause: str, count: int) -> None:
        if count:
            with self._lock:
                self.drops[cause] += count
                self._unreported[cause] += count
