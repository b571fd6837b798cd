"""Keeps the inputs of pipelines with what was said about them, so that they can be replayed (docs/replay.md)."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from edge_infer.fusing import Occasion
from edge_infer.keeping_fusions import FusionReel
from edge_infer.pipeline import Analysis
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.provenance import beginning
from edge_infer.reel import Reel
from edge_infer.tape.entries import Ended, Kept, encode, packed_array, tree
from edge_infer.tape.folder import Room
from edge_infer.tape.segment import Segment, packed
from edge_infer.types import Event, Frame, ModelId, Result

log = logging.getLogger(__name__)

MAX_BYTES = 2_000_000_000  # of all files together: an hour of pictures of 640x480, one each second, as PNG of 0.5 MB
WAITING, WAITING_BYTES, MOST_WAITING = 4, 8_000_000, 256  # frames: small windows may be more than large pictures
HURRIED = 2  # where so many wait, pictures are kept as they are: writing them takes less than a tenth of the time
FILE_WAIT_S = 10.0  # a file's frame waits so long for its place; a disk that hangs must not hold up results for ever
JITTER_S = 0.1  # of the times of live blocks; a source that is opened anew takes longer
LAST = 1 << 62  # behind each frame
_MadeWith: TypeAlias = tuple[str, PipelineSettings, ModelId]  # life, settings, model


@dataclass(frozen=True, slots=True)
class _Given:
    """What a life of a pipeline hands over: a frame, or its end."""

    life: str
    settings: PipelineSettings
    place: int
    order: tuple[int, int]  # group and order in it, by which a reader sorts
    frame: Frame | None
    result: Result | None
    events: Sequence[Event]
    reason: str = ""


class InputRecording:
    """One thread for each pipeline, whose files take at most `max_bytes` together; a live pipeline never waits for it.

    What cannot be kept in time is left out and counted: in the log, and in the recording by the gap in `place`.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        """Record into a folder, beside what other runs have left there.

        Raises:
            UnavailableError: it cannot be made, or not be written.
        """
        self._room = Room(folder, max_bytes)
        self._run = f"{os.getpid()}-{time.time_ns()}"
        self._reels: dict[str, FrameReel] = {}
        self._fusions: FusionReel | None = None
        self._lives = 0

    def of(self, pipeline: str, settings: Callable[[], PipelineSettings], analysis: Analysis | None) -> "Life":
        """A pipeline starts: what stands between it and its analysis. `settings` gives those in force."""
        if pipeline not in self._reels:
            self._reels[pipeline] = FrameReel(pipeline, self._room)
        self._lives += 1
        return Life(f"{self._run}-{self._lives}", settings, analysis, self._reels[pipeline])

    def fusions(self, occasion: Occasion) -> None:
        """Keep what fusions were told, and what they said; any thread, one at a time."""
        if self._fusions is None:
            self._fusions = FusionReel(f"{self._run}-0", self._room)
        self._fusions.take(occasion)

    def close(self) -> None:
        """Write what waits, and say what became of it all."""
        for reel in self._reels.values():
            reel.close()
        if self._fusions:
            self._fusions.close()


class Life:
    """Hands on what an analysis is asked and what it answers, until the pipeline ends or starts anew."""

    def __init__(
        self, name: str, settings: Callable[[], PipelineSettings], analysis: Analysis | None, reel: "FrameReel"
    ) -> None:
        self.name = name
        self._settings = settings
        self._analysis = analysis
        self._reel = reel
        self._places = 0
        self._order = _Order()

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, Sequence[Event]]:
        """See `Analysis`."""
        result, events = self._analysis(frame, result) if self._analysis else (result, ())
        self._hand_over(frame, result, events)
        return result, events

    def end(self, reason: str) -> Sequence[Event]:
        """See `Analysis`."""
        if self._analysis is None:
            return ()
        events = self._analysis.end(reason)
        self._hand_over(None, None, events, reason)
        return events

    def _hand_over(self, frame: Frame | None, result: Result | None, events: Sequence[Event], reason: str = "") -> None:
        settings = self._settings()
        order = self._order.of(frame) if settings.model.workers not in (1, "auto") else (0, self._places)
        given = _Given(self.name, settings, self._places, order, frame, result, events, reason)
        self._places += 1
        self._reel.take(given)


class _Order:
    """In which order frames were captured, of which several workers gave the answers as they came."""

    def __init__(self) -> None:
        self._opening = 0
        self._last = -1  # the highest number, and its time
        self._last_s = 0.0

    def of(self, frame: Frame | None) -> tuple[int, int]:
        """Group and order: a later frame with a lower number is of a source that was opened anew; None is an end."""
        if frame is None:
            ended = self._opening, LAST
            self._opening, self._last = self._opening + 1, -1
            return ended
        if frame.number <= self._last and frame.clock_s > self._last_s + (JITTER_S if frame.span else 0.0):
            self._opening, self._last = self._opening + 1, -1
        if frame.number > self._last:
            self._last, self._last_s = frame.number, frame.clock_s
        return self._opening, frame.number


class FrameReel(Reel[_Given]):
    """The files of one pipeline."""

    def __init__(self, pipeline: str, room: Room) -> None:
        super().__init__(pipeline, f"the inputs of {pipeline}", room, waiting=WAITING)
        self._made_with: _MadeWith | None = None

    def take(self, given: _Given) -> None:
        """Take it over: of a live source the newest win; those of a file wait for their place."""
        if frame := given.frame:
            self._mailbox.capacity = max(WAITING, min(MOST_WAITING, WAITING_BYTES // max(1, frame.data.nbytes)))
            of_file = frame.path is not None or frame.media_s is not None
            self._mailbox.lossy = not of_file or not self._worker.alive or self._worker.last_retry is not None
        self._put(given, FILE_WAIT_S)

    def close(self) -> None:
        """Write what waits, for some seconds."""
        super().close()
        said = {"pipeline": self._name, "frames": self.kept, "dropped": self.dropped}
        if not self._worker.error:
            log.info("inputs recorded", extra=said)

    def _write(self, given: _Given) -> None:
        if given.frame is not None and given.result is not None:
            kept = self._entry(given, given.frame, given.result)
            segment = self._fitting((given.life, given.settings, given.result.model))
            self._append(segment, packed("kept", *given.order, encode(kept)))
            self.kept += 1
        elif self._segment and self._made_with and self._made_with[0] == given.life:
            ended = Ended(place=given.place, reason=given.reason, events=tree(given.events))
            self._append(self._segment, packed("ended", *given.order, encode(ended)))

    def _entry(self, given: _Given, frame: Frame, result: Result) -> Kept:
        return Kept(
            place=given.place,
            source=frame.source,
            number=frame.number,
            captured_at=frame.captured_at,
            captured_ns=frame.captured_ns,
            data=packed_array(frame.data, quickly=len(self._mailbox) >= HURRIED and frame.span is None),
            result=tree(result),
            path=Path(frame.path).name if frame.path else None,
            span=frame.span,
            media_s=frame.media_s,
            events=tree(given.events),
        )

    def _fitting(self, made_with: _MadeWith) -> Segment:
        """The present file, or a new one where it is large, or made with something else."""
        if self._is_full or made_with != self._made_with:
            self._end()
        if self._segment is None:
            self._begin_segment(beginning(self._name, *made_with))
            self._made_with = made_with
        assert self._segment is not None, "it was begun"  # noqa: S101
        return self._segment
