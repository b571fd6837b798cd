"""One source, one model, and the threads between them."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from edge_infer.ahead import Ahead
from edge_infer.answering import Answering
from edge_infer.capturing import Capturing
from edge_infer.flow.standstills import Standstills
from edge_infer.health.stages import Histogram, StageTimes, summaries
from edge_infer.inferring import Inferring
from edge_infer.intake import Intake
from edge_infer.model import Model, load_on
from edge_infer.settings import SuperviseSettings
from edge_infer.sources.source import BaseSource
from edge_infer.types import Event, Frame, Result
from edge_infer.wire.payloads import PipelineHealth

log = logging.getLogger(__name__)

PAUSED = "paused by a command"
LOCK_S = 1.0  # for results that are being delivered; a thread that hangs there keeps what goes on for ever
# A live source's read that takes longer hangs, unless it may be silent for more than twice as long. As for the limit of
# a model, with the tick of 0.25 s it is noticed, mended and reported within 3 s.
READ_S = 2.5

State = Literal["starting", "running", "paused", "lost", "ended"]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a pipeline had done at a moment (monotonic): the beginning of a report's rates and durations."""

    at_ns: int
    frames: int
    results: int
    stages: dict[str, Histogram]


class Analysis(Protocol):
    """What is made of the results of one pipeline, in their order; never called by two threads at once."""

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, Sequence[Event]]:
        """The result with what is known of its objects, and what has happened with it."""

    def end(self, reason: str) -> Sequence[Event]:
        """The end of all that goes on, for a reason as `Event.reason` has it."""


class Pipeline:
    """Threads `source:<name>`, `infer:<name>` and `answer:<name>`; `publish` is called from the last.

    `state` is `lost` while a live source gives no frames: it is opened again for ever (unless `must_open`, and it
    could never be opened). `show` sees each frame with its result, after it was published.

    `intake` may be paused and limited, and the model exchanged, while it runs. `supervise` replaces threads that hang.

    Results come in the order of their frames, however many `workers` there are; see `Answering` for one that hangs.

    With an `analysis` `publish_event` gets what happened, and results are published where `publish` is given. What goes
    on ends as "lost" where no answer came for `hold_s`, and none is to be expected.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], BaseSource],
        load_model: Callable[[], Model],
        publish: Callable[[Result, str], object] | None,
        *,
        max_frame_age_s: float = 5.0,
        max_still_s: float | None = None,
        fps: float | None = None,
        deadline_s: float = 0.0,
        workers: int = 1,
        must_open: bool = False,
        show: Callable[[Frame, Result], object] = lambda _frame, _result: None,
        analysis: Analysis | None = None,
        publish_event: Callable[[Event, str], object] = lambda _event, _name: None,
        hold_s: float = 0.0,
    ) -> None:
        self.name = name
        self.events = 0
        self._hold_s = hold_s
        self._answered_ns: int | None = None  # when the last answer came; None: nothing goes on
        self._analysis = analysis
        self._publish_event = publish_event
        self._analysing = threading.Lock()
        self._times = StageTimes()
        self.intake = Intake(
            max_frame_age_s, lambda ms: self._times.add({"capture": ms}), Ahead(lambda: self.model, workers)
        )
        self.results = 0
        self._publish = publish
        self._show = show
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        ready = threading.Event()
        self._source = Capturing(
            name,
            open_source,
            self.intake,
            ready,
            must_open=must_open,
            read_s=max(READ_S, max_frame_age_s / 2, 2 / fps if fps else 0.0),
            max_still_s=max_still_s,
            wanted=lambda: self.model.wanted if self.model else None,
        )
        names = [name] if workers == 1 else [f"{name}:{i}" for i in range(workers)]
        self._answering = Answering(name, self.intake, workers, self._deliver, strict=analysis is not None)
        self._infer = [Inferring(worker, load_model, self.intake, ready, self._answering) for worker in names]
        self._stages: list[Capturing | Inferring] = [*self._infer, self._source]
        self._start = self.counted()
        self._lost_since: float | None = None

    def start(self) -> None:
        """Start the threads."""
        self._start = self.counted()
        self._answering.start()
        for stage in self._stages:
            stage.start()

    def stop(self) -> None:
        """Ask the source to end; what it has given is still worked through."""
        self._source.stop()

    def join(self, timeout: float) -> bool:
        """True if all threads have ended within `timeout` seconds; one that hangs is left behind."""
        deadline = time.monotonic() + timeout
        ended = self._source.join(timeout)
        self.intake.close()
        for stage in self._infer:
            stage.stop()
        for stage in self._infer:
            ended &= stage.join(max(0.0, deadline - time.monotonic()))
        ended &= self._answering.join(max(LOCK_S, deadline - time.monotonic()))
        self.intake.abandon()
        return ended

    def supervise(self, standstills: Standstills, settings: SuperviseSettings) -> None:
        """Replace the threads that hang; `standstills` of the process do not count.

        Raises:
            StalledError: that does not help.
        """
        self._source.supervise(standstills, settings.exit_after_s)
        self._answering.supervise(standstills)
        for stage in self._infer:
            stage.patience.floor_s = max(settings.infer_s, self._deadline_s)
            stage.supervise(standstills)

    def exchange_model(self, load_model: Callable[[], Model], loaded: Sequence[Model] = ()) -> None:
        """From the next frame on, and after each failure, ask what `load_model` gives; until then the present model.

        It has given those that are `loaded`, one for each worker, or gives them now, on the same device.

        Raises:
            EdgeInferError: it cannot be loaded, or not onto the same device; nothing has changed.
        """
        loaded = loaded or load_on(self.model.device if self.model else None, load_model, len(self._infer))
        for stage, model in zip(self._infer, loaded, strict=True):
            stage.load_model = load_model
            stage.go_on_with(model)

    @property
    def model(self) -> Model | None:
        """What its frames are shown to; None until one is loaded."""
        return next((stage.model for stage in self._infer if stage.model), None)

    @property
    def errors(self) -> int:
        """Frames that got no answer."""
        return sum(stage.failures for stage in self._infer) + self._answering.failures

    @property
    def has_begun(self) -> bool:
        """True once its model is loaded, or has said why not."""
        return all(stage.has_begun for stage in self._infer)

    @property
    def ended(self) -> bool:
        """True if nothing comes any more, and all that came is delivered."""
        return not any(stage.alive for stage in self._stages) and self._answering.idle

    @property
    def failure(self) -> Exception | None:
        """What ended a thread that should not have ended."""
        return next((stage.error for stage in (self._answering, *self._stages) if stage.error), None)

    @property
    def state(self) -> State:
        """How the source is doing."""
        if not self._source.alive:
            return "ended"
        if self._source.trouble or (self.intake.live and self._silence_s() > self.intake.max_age_s):
            return "lost"
        if self.intake.paused:
            return "paused"
        return "running" if self.intake.frames else "starting"

    def trouble(self) -> str | None:
        """What is wrong now, in a sentence; None if nothing is. Logs when that changes: call it often."""
        lost = self.state == "lost"
        if lost and self._lost_since is None:
            self._lost_since = time.monotonic()
            log.warning("no frames", extra={"pipeline": self.name, "reason": self._why_lost()})
        elif not lost and self._lost_since is not None:
            log.info(
                "frames again", extra={"pipeline": self.name, "after_s": round(time.monotonic() - self._lost_since, 1)}
            )
            self._lost_since = None
        failing = next((stage.trouble for stage in self._infer if stage.trouble), None)
        self._end_unseen(blind=lost or failing is not None or self.intake.paused)
        if lost:
            return self._why_lost()
        if failing:
            return failing
        if self.intake.paused:
            return PAUSED
        return self.model.fallback_reason if self.model and self.model.status == "degraded" else None

    def _end_unseen(self, *, blind: bool) -> None:
        """What goes on ends where nobody looks any more."""
        since_ns = self._answered_ns
        if since_ns is None:
            return
        if self.ended:
            self.end_events("stopped")
        elif blind and (time.monotonic_ns() - since_ns) / 1e9 >= self._hold_s:
            self.end_events("lost")

    def counted(self) -> Counted:
        """What it has done until now."""
        return Counted(time.monotonic_ns(), self.intake.frames, self.results, self._times.copy())

    def health(self, since: Counted | None = None) -> PipelineHealth:
        """Counts since the start; rates and durations since a moment, or the start. Any thread may ask."""
        since, now = since or self._start, self.counted()
        elapsed = max(1e-9, (now.at_ns - since.at_ns) / 1e9)
        last = self.intake.last_frame_ns
        return PipelineHealth(
            state=self.state,
            device=self.model.device if self.model else "",
            fallback_reason=self.model.fallback_reason if self.model else None,
            frames=now.frames,
            results=now.results,
            errors=self.errors,
            fps_in=round((now.frames - since.frames) / elapsed, 2),
            fps_out=round((now.results - since.results) / elapsed, 2),
            frame_age_s=None if last is None else round((now.at_ns - last) / 1e9, 3),
            source_restarts=self._source.restarts,
            infer_restarts=sum(stage.restarts for stage in self._infer),
            dropped=dict(self.intake.drops),
            events=self.events,
            stages_ms=summaries(now.stages, since.stages),
        )

    def _silence_s(self) -> float:
        if self._source.awaited_ns is None:
            return 0.0
        heard_ns = max(self.intake.last_frame_ns or 0, self._source.heard_ns, self._source.awaited_ns)
        return (time.monotonic_ns() - heard_ns) / 1e9

    def _why_lost(self) -> str:
        return self._source.trouble or f"no frame for {self.intake.max_age_s:g} s"

    def _deliver(self, frame: Frame, result: Result) -> None:
        with self._analysing if self._analysis else nullcontext():
            started = time.perf_counter()
            events: Sequence[Event] = ()
            if self._analysis:
                result, events = self._analysis(frame, result)
                self._answered_ns = time.monotonic_ns() if result.prediction is not None else self._answered_ns
                analyse_ms = (time.perf_counter() - started) * 1e3
                result = replace(result, timings_ms={**result.timings_ms, "analyse": analyse_ms})
            started = time.perf_counter()
            if self._publish:
                self._publish(result, self.name)
            self._tell(events)
        publish_ms = (time.perf_counter() - started) * 1e3
        with self._lock:
            self.results += 1
        total_ms = (time.monotonic_ns() - result.captured_ns) / 1e6
        self._times.add({**result.timings_ms, "publish": publish_ms, "total": total_ms})
        self._show(frame, result)

    def end_events(self, reason: str) -> None:
        """Nothing comes any more, for a reason as `Event.reason` has it: what goes on ends."""
        if self._analysis is None or not self._analysing.acquire(timeout=LOCK_S):
            return
        try:
            self._tell(self._analysis.end(reason))
            self._answered_ns = None
        finally:
            self._analysing.release()

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self._publish_event(event, self.name)
            self.events += 1
