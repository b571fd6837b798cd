"""One source, one model, and the threads between them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from edge_infer.capturing import STOP_S, Capturing
from edge_infer.errors import DelegateError, EdgeInferError, SourceError
from edge_infer.flow.mailbox import Closed
from edge_infer.health.stages import Histogram, StageTimes, summaries
from edge_infer.inferring import Inferring
from edge_infer.intake import Intake
from edge_infer.model import Model
from edge_infer.settings import SuperviseSettings
from edge_infer.sources.source import BaseSource
from edge_infer.types import Frame, Result
from edge_infer.wire.payloads import PipelineHealth

log = logging.getLogger(__name__)

PAUSED = "paused by a command"
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


class Pipeline:
    """Threads `source:<name>` and `infer:<name>`; `publish` is called from the latter.

    `state` is `lost` while a live source gives no frames: it is opened again for ever (unless `must_open`, and it
    could never be opened). `show` sees each frame with its result, after it was published.

    `intake` may be paused and limited, and the model exchanged, while it runs. `supervise` replaces threads that hang.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], BaseSource],
        load_model: Callable[[], Model],
        publish: Callable[[Result, str], object],
        *,
        max_frame_age_s: float = 5.0,
        max_still_s: float | None = None,
        fps: float | None = None,
        deadline_s: float = 0.0,
        workers: int = 1,
        must_open: bool = False,
        show: Callable[[Frame, Result], object] = lambda _frame, _result: None,
    ) -> None:
        self.name = name
        self._times = StageTimes()
        self.intake = Intake(max_frame_age_s, lambda ms: self._times.add({"capture": ms}))
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
        )
        names = [name] if workers == 1 else [f"{name}:{i}" for i in range(workers)]
        self._infer = [Inferring(worker, load_model, self.intake, ready, self._deliver) for worker in names]
        self._stages: list[Capturing | Inferring] = [*self._infer, self._source]
        self._start = self.counted()
        self._lost_since: float | None = None

    def start(self) -> None:
        """Start the threads."""
        self._start = self.counted()
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
        self.intake.abandon()
        return ended

    def supervise(self, since_ns: int, settings: SuperviseSettings) -> None:
        """Replace the threads that hang; what lasted before `since_ns` (monotonic) does not count.

        Raises:
            StalledError: that does not help.
        """
        self._source.supervise(since_ns, settings.exit_after_s)
        for stage in self._infer:
            stage.patience.floor_s = max(settings.infer_s, self._deadline_s)
            stage.supervise(since_ns)

    def exchange_model(self, load_model: Callable[[], Model]) -> None:
        """From the next frame on, and after each failure, ask what `load_model` gives; until then the present model.

        Raises:
            EdgeInferError: it cannot be loaded, or not onto the same device; nothing has changed.
        """
        fresh: list[Model] = []
        try:
            for _ in self._infer:
                fresh.append(load_model())
                if self.model and fresh[-1].device != self.model.device:
                    raise DelegateError(f"{self.name} would leave {self.model.device}: {fresh[-1].fallback_reason}")
        except EdgeInferError:
            for model in fresh:
                model.close()
            raise
        for stage, model in zip(self._infer, fresh, strict=True):
            stage.load_model = load_model
            stage.go_on_with(model)

    @property
    def model(self) -> Model | None:
        """What its frames are shown to; None until one is loaded."""
        return next((stage.model for stage in self._infer if stage.model), None)

    @property
    def errors(self) -> int:
        """Frames that got no answer."""
        return sum(stage.failures for stage in self._infer)

    @property
    def has_begun(self) -> bool:
        """True once its model is loaded, or has said why not."""
        return all(stage.has_begun for stage in self._infer)

    @property
    def ended(self) -> bool:
        """True if no thread runs any more."""
        return not any(stage.alive for stage in self._stages)

    @property
    def failure(self) -> Exception | None:
        """What ended a thread that should not have ended."""
        return next((stage.error for stage in self._stages if stage.error), None)

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
        if lost:
            return self._why_lost()
        failing = next((stage.trouble for stage in self._infer if stage.trouble), None)
        if failing:
            return failing
        if self.intake.paused:
            return PAUSED
        return self.model.fallback_reason if self.model and self.model.status == "degraded" else None

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
            stages_ms=summaries(now.stages, since.stages),
        )

    def _silence_s(self) -> float:
        if self._source.awaited_ns is None:
            return 0.0
        return (time.monotonic_ns() - max(self.intake.last_frame_ns or 0, self._source.awaited_ns)) / 1e9

    def _why_lost(self) -> str:
        return self._source.trouble or f"no frame for {self.intake.max_age_s:g} s"

    def _deliver(self, frame: Frame, result: Result, wait_ms: float) -> None:
        dropped = self.intake.unreported_drops()
        result = replace(result, timings_ms={"wait": wait_ms, **result.timings_ms}, dropped=dropped)
        started = time.perf_counter()
        self._publish(result, self.name)
        publish_ms = (time.perf_counter() - started) * 1e3
        with self._lock:
            self.results += 1
        total_ms = (time.monotonic_ns() - result.captured_ns) / 1e6
        self._times.add({**result.timings_ms, "publish": publish_ms, "total": total_ms})
        self._show(frame, result)


def stream(source: BaseSource, model: Model, *, max_frame_age_s: float = 5.0) -> Iterator[Result]:
    """Results for the frames of an opened source, until it ends.

    Live sources are read in a thread of their own: the newest frame wins, `Result.dropped` counts the others.

    Raises:
        SourceError: the source broke off, or a live one gave no frame for `max_frame_age_s` seconds.
    """
    intake = Intake(max_frame_age_s)
    intake.live = source.live
    stopping = threading.Event()
    failures: list[Exception] = []

    def feed() -> None:
        try:
            intake.feed(source, stopping)
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(error)
        intake.close()

    reader = threading.Thread(target=feed, name=f"source:{source.name}", daemon=True)
    reader.start()
    try:
        silent_since = time.monotonic()
        while True:
            frame = intake.take()
            if frame is not None:
                yield replace(model.predict(frame), dropped=intake.unreported_drops())
                silent_since = time.monotonic()
            elif source.live and time.monotonic() - silent_since > max_frame_age_s:
                raise SourceError(f"{source.name} gave no frame for {max_frame_age_s:g} s")
    except Closed:
        if failures:
            raise failures[0] from None
    finally:
        stopping.set()
        intake.close()
        reader.join(STOP_S)
