"""What is normal is recorded: numbers of each frame or window, and a few frames for the golden test."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from edge_infer.errors import InputError, SourceError
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.windows import Windows
from edge_infer.tools.fit_anomaly.views import View
from edge_infer.types import Array, Frame

log = logging.getLogger(__name__)

MOST = 100_000  # frames or windows; 256 numbers of each need 100 MB
PATIENCE_S = 30.0  # for a source that is lost: it is opened again meanwhile
AGAIN_S = 1.0  # between two tries
LIVE_S = 1800.0  # of what has no end: docs/anomaly.md has what less and more of it finds
KEPT = 8  # frames for the golden test, evenly spread


@dataclass
class Recording:
    """Numbers `(n, m)` and times of all frames, and what was lost.

    Attributes:
        kept: frames, evenly spread
        skipped: frames or windows that the source left out, by cause; "lost": how often it was gone, "refused": those
            of which nothing can be said
        timed: frames tell when they were taken; pictures in a folder do not
        stopped: a person ended it
    """

    rows: list[Array] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    kept: list[Frame] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    timed: bool = True
    stopped: bool = False
    _stride: int = 1

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def table(self) -> Array:
        """`(n, m) float32`."""
        return np.stack(self.rows)

    @property
    def seconds(self) -> float:
        """From one frame to the next, as a rule; 0 where nobody knows."""
        return float(np.median(np.diff(self.times))) if len(self) > 1 and self.timed else 0.0

    def add(self, frame: Frame, numbers: Array) -> None:
        """Take a frame in."""
        if len(self) % self._stride == 0:
            self.kept.append(frame)
            if len(self.kept) > KEPT:
                self.kept, self._stride = self.kept[::2], 2 * self._stride
        self.rows.append(numbers.astype(np.float32))
        self.times.append(frame.clock_s)


class Recorder:
    """Reads a source for some seconds, or to its end; opens it again where it is lost."""

    def __init__(
        self,
        open_source: Callable[[], BaseSource],
        seconds: float | None,
        progress: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """`seconds`: None: all of a file, LIVE_S of what has no end; `progress` is told how many are over."""
        self._open = open_source
        self._seconds = seconds
        self._progress = progress
        self._stop = threading.Event()
        self._source: BaseSource | None = None

    def stop(self) -> None:
        """End the recording now; for another thread, or for a signal."""
        self._stop.set()
        if self._source is not None:
            self._source.interrupt()

    def record(self, view_of: Callable[[Frame], View]) -> tuple[View, Recording]:
        """The recording; `view_of` is given the first picture or block of samples.

        Raises:
            SourceError: it was lost, and did not come back.
            InputError: the source gives something else than a moment ago, or what cannot be looked at.
        """
        recording, view = Recording(), None
        with closing(self._frames(recording, view_of)) as frames:
            for view, frame in frames:
                try:
                    recording.add(frame, view(frame))
                except InputError:
                    if not len(recording):  # it is no frame's fault
                        raise
                    recording.skipped["refused"] += 1
                if len(recording) >= MOST:
                    log.warning("the recording ends after %d frames or windows: no more are kept", MOST)
                    break
        recording.stopped = self._stop.is_set()
        if view is None:
            raise InputError("the source gave nothing to learn from: let it run for longer")
        return view, recording

    def _frames(self, recording: Recording, view_of: Callable[[Frame], View]) -> Generator[tuple[View, Frame]]:
        view: View | None = None
        started = last_seen = time.monotonic()
        while not self._stop.is_set():
            try:
                with self._open() as source:
                    self._source = source
                    first = source.read()
                    view = view or view_of(first)
                    stream = _Begun(first, source)
                    with Windows(stream, view.wanted) if view.wanted else stream as frames:
                        for frame in self._timed(frames, recording, started, first):
                            last_seen = time.monotonic()
                            yield view, frame
            except EndOfStream:
                return
            except SourceError as error:
                if view is None or time.monotonic() - last_seen > PATIENCE_S:
                    raise SourceError(f"{error}; {len(recording)} frames or windows were recorded before") from error
                recording.skipped["lost"] += 1
                self._stop.wait(AGAIN_S)
            else:
                return

    def _timed(self, source: BaseSource, recording: Recording, started: float, first: Frame) -> Iterator[Frame]:
        """Frames until the time is over."""
        began_s = first.media_s
        recording.timed = source.live or began_s is not None
        enough = LIVE_S if self._seconds is None and source.live else self._seconds
        try:
            for frame in source:
                over = time.monotonic() - started
                if frame.media_s is not None and began_s is not None:
                    over = frame.media_s - began_s
                yield frame
                self._progress(over)
                if self._stop.is_set() or (enough is not None and over >= enough):
                    return
        finally:
            recording.skipped += source.skipped


class _Begun(BaseSource):
    """A source of which the first frame was read already."""

    def __init__(self, first: Frame, source: BaseSource) -> None:
        super().__init__(source.name, live=source.live)
        self.skipped = source.skipped
        self._first: Frame | None = first
        self._source = source

    def read(self) -> Frame:
        first, self._first = self._first, None
        return first or self._source.read()

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()
