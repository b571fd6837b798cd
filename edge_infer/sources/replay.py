"""Frames of a recording of inputs."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from edge_infer.errors import UsageError
from edge_infer.sources.pace import sleep_until
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.tape.entries import Kept
from edge_infer.tape.reader import Recorded, pipelines_in
from edge_infer.types import Frame, Span

log = logging.getLogger(__name__)

LONGEST_PAUSE = 2.0  # s; a gap in a recording must not hold up a daemon that wants to stop


class ReplaySource(BaseSource):
    """What one pipeline was shown, in the order in which it was captured: pictures, or blocks of samples.

    Windows that overlap become blocks that do not, so that another model may cut them otherwise. The time of the first
    frame in its file, or 0, is where `media_s` begins; what is damaged is counted and told in the log.

    Args:
        pipeline: which; None: the only one
        pace: "fast" as the reader asks; "realtime" not before the recorded times say
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str = "",
        pipeline: str | None = None,
        pace: Literal["fast", "realtime"] = "fast",
    ) -> None:
        super().__init__(name or Path(folder).name, live=False)
        there = pipelines_in(Path(folder))
        if pipeline is None and len(there) > 1:
            raise UsageError(f"{folder} holds several pipelines: say which, pipeline: {' or '.join(there)}")
        self._recorded = Recorded(Path(folder), pipeline or there[0])
        self._realtime = pace == "realtime"
        self._kept = self._read_all()
        self._clock = _Clock()
        self._numbers = 0
        self._last: Span | None = None
        self._began: float | None = None

    def read(self) -> Frame:
        """The next frame.

        Raises:
            EndOfStream: that was the last, or the source is closed.
        """
        for kept, anew in self._kept:
            recorded = kept.frame()
            media_s = self._clock.at(recorded, anew=anew)
            data, span = recorded.data, recorded.span
            if span:
                begins = anew or self._last is None or span.start < self._last.start
                shown = 0 if begins or self._last is None else max(0, self._last.end - span.start)
                if shown >= span.samples:
                    continue
                self._last = span
                data = data[shown:]
                span = Span(span.start + shown, span.samples - shown, span.rate_hz, span.channels, span.units)
            number, self._numbers = self._numbers, self._numbers + 1
            self._wait(media_s)
            return Frame(self.name, number, data, *clocks(), recorded.path, span, media_s)
        raise EndOfStream

    def close(self) -> None:
        """Give no more frames."""
        self._kept = iter(())

    def _read_all(self) -> Iterator[tuple[Kept, bool]]:
        """Each frame, and whether its source was opened before it."""
        for life in self._recorded.lives:
            before: int | None = None
            for _, entry in self._recorded.entries(life):
                for damage in self._recorded.damaged[self.skipped["corrupt"] :]:
                    log.warning("%s", damage)
                    self.skipped["corrupt"] += 1
                if isinstance(entry, Kept):
                    yield entry, before is None or entry.number <= before
                    before = entry.number

    def _wait(self, media_s: float) -> None:
        if self._realtime:
            self._began = time.monotonic() - media_s if self._began is None else self._began
            sleep_until(min(self._began + media_s, time.monotonic() + LONGEST_PAUSE))


class _Clock:
    """Seconds in a recording, which never go back, whatever clocks it was made with."""

    def __init__(self) -> None:
        self._last: Frame | None = None
        self._at_s = 0.0

    def at(self, frame: Frame, *, anew: bool) -> float:
        """When this frame was captured; where the source was opened anew, people's clock tells how much later."""
        if self._last is None:
            self._at_s = frame.media_s or 0.0
        else:
            passed = frame.captured_at - self._last.captured_at if anew else frame.clock_s - self._last.clock_s
            self._at_s += max(0.0, passed)
        self._last = frame
        return self._at_s
