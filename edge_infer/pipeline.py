"""One source, one model, and the threads between them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Literal

from edge_infer.errors import DelegateError, EdgeInferError, InputError, ModelError, SourceError, UnavailableError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.mailbox import Closed
from edge_infer.flow.worker import Worker
from edge_infer.health.stages import StageTimes
from edge_infer.intake import CHECK_S, Intake
from edge_infer.model import Model
from edge_infer.sources.source import BaseSource
from edge_infer.types import Frame, Result
from edge_infer.wire.payloads import PipelineHealth

log = logging.getLogger(__name__)

# A camera that comes back is found within this: small, because opening is cheap and a missed intruder is not.
SOURCE_BACKOFF_CAP_S = 2.0
PAUSED = "paused by a command"
STOP_SOURCE_S = 1.0  # a read that blocks longer is left behind

State = Literal["starting", "running", "paused", "lost", "ended"]


class Pipeline:
    """Threads `source:<name>` and `infer:<name>`; `publish` is called from the latter.

    `state` is `lost` while a live source gives no frames: it is opened again for ever (unless `must_open`, and it
    could never be opened). `show` sees each frame with its result, after it was published.

    `intake` may be paused and limited, and the model exchanged, while it runs.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], BaseSource],
        load_model: Callable[[], Model],
        publish: Callable[[Result, str], object],
        *,
        max_frame_age_s: float = 5.0,
        workers: int = 1,
        must_open: bool = False,
        show: Callable[[Frame, Result], object] = lambda _frame, _result: None,
    ) -> None:
        self.name = name
        self.intake = Intake(max_frame_age_s)
        self.results = 0
        self.errors = 0
        self.model: Model | None = None
        self._open_source = open_source
        self._load_model = load_model
        self._next: dict[str, Model] = {}  # by worker: what it goes on with
        self._publish = publish
        self._must_open = must_open
        self._show = show
        self._times = StageTimes()
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._source = Worker(f"source:{name}", self._capture, Backoff(base=0.1, cap=SOURCE_BACKOFF_CAP_S))
        names = [f"infer:{name}"] if workers == 1 else [f"infer:{name}:{i}" for i in range(workers)]
        self._infer = [Worker(worker, self._predict_all, Backoff(base=0.5, cap=30.0)) for worker in names]
        self._reported_ns = time.monotonic_ns()
        self._awaited_ns: int | None = None  # since when the source is asked for frames
        self._reported = (0, 0)  # frames and results at the last report
        self._lost_since: float | None = None

    def start(self) -> None:
        """Start the threads."""
        self._reported_ns = time.monotonic_ns()
        for worker in (*self._infer, self._source):
            worker.start()

    def stop(self) -> None:
        """Ask the source to end; what it has given is still worked through."""
        self._source.stop()

    def join(self, timeout: float) -> bool:
        """True if all threads have ended within `timeout` seconds; a source that hangs is left behind."""
        deadline = time.monotonic() + timeout
        source_ended = self._source.join(min(STOP_SOURCE_S, timeout))
        self.intake.close()
        for worker in self._infer:
            worker.stop()
        infer_ended = True
        for worker in self._infer:
            infer_ended &= worker.join(max(0.0, deadline - time.monotonic()))
        if infer_ended:
            self.intake.abandon()
            self._close_spares()
        return source_ended and infer_ended

    def exchange_model(self, load_model: Callable[[], Model]) -> None:
        """From the next frame on, and after each failure, ask what `load_model` gives; until then the present model.

        Raises:
            EdgeInferError: it cannot be loaded, or not onto the same device; nothing has changed.
        """
        fresh: dict[str, Model] = {}
        try:
            for worker in self._infer:
                fresh[worker.name] = model = load_model()
                if self.model and model.device != self.model.device:
                    raise DelegateError(f"{self.name} would leave {self.model.device}: {model.fallback_reason}")
        except EdgeInferError:
            for model in fresh.values():
                model.close()
            raise
        self._load_model = load_model
        self._close_spares()
        self._next.update(fresh)

    @property
    def ended(self) -> bool:
        """True if no thread runs any more."""
        return not any(worker.alive for worker in (self._source, *self._infer))

    @property
    def failure(self) -> Exception | None:
        """What ended a thread that should not have ended."""
        return next((worker.error for worker in (self._source, *self._infer) if worker.error), None)

    @property
    def state(self) -> State:
        """How the source is doing."""
        if not self._source.alive:
            return "ended"
        if self._source.last_retry or (self.intake.live and self._silence_s() > self.intake.max_age_s):
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
        failing = next((worker.last_retry for worker in self._infer if worker.last_retry), None)
        if failing:
            return str(failing)
        if self.intake.paused:
            return PAUSED
        return self.model.fallback_reason if self.model and self.model.status == "degraded" else None

    def health(self) -> PipelineHealth:
        """Counts since the start; rates and durations since the last call."""
        now = time.monotonic_ns()
        elapsed = max(1e-9, (now - self._reported_ns) / 1e9)
        counts = (self.intake.frames, self.results)
        fps = [round((new - old) / elapsed, 2) for new, old in zip(counts, self._reported, strict=True)]
        self._reported_ns, self._reported = now, counts
        last = self.intake.last_frame_ns
        return PipelineHealth(
            state=self.state,
            device=self.model.device if self.model else "",
            frames=counts[0],
            results=counts[1],
            errors=self.errors,
            fps_in=fps[0],
            fps_out=fps[1],
            frame_age_s=None if last is None else round((now - last) / 1e9, 3),
            source_restarts=self._source.retries,
            dropped=dict(self.intake.drops),
            stages_ms=self._times.take(),
        )

    def _silence_s(self) -> float:
        if self._awaited_ns is None:
            return 0.0
        return (time.monotonic_ns() - max(self.intake.last_frame_ns or 0, self._awaited_ns)) / 1e9

    def _why_lost(self) -> str:
        return str(self._source.last_retry or f"no frame for {self.intake.max_age_s:g} s")

    def _capture(self, worker: Worker) -> None:
        while not self._ready.wait(CHECK_S):  # frames that nobody can take yet would only be dropped
            if worker.stopping.is_set():
                return
        self._awaited_ns = self._awaited_ns or time.monotonic_ns()
        with self._opened() as source:
            self.intake.feed(source, worker.stopping, worker.progress)
        self.intake.close()

    def _opened(self) -> BaseSource:
        try:
            return self._open_source()
        except SourceError as error:
            if self._must_open and not self.intake.frames:
                raise UnavailableError(str(error)) from error
            raise

    def _predict_all(self, worker: Worker) -> None:
        with ExitStack() as loaded, suppress(Closed):
            model = self._use(loaded.enter_context(self._load_model()))
            self._ready.set()
            while True:
                frame = self.intake.take()
                if fresh := self._next.pop(worker.name, None):
                    loaded.close()
                    model = self._use(loaded.enter_context(fresh))
                if frame is not None:
                    self._predict(model, frame)
                    worker.progress()

    def _use(self, model: Model) -> Model:
        self.model = model
        return model

    def _close_spares(self) -> None:
        """Close the models that nobody has gone on with."""
        while self._next:
            with suppress(KeyError):  # a worker was quicker
                self._next.popitem()[1].close()

    def _predict(self, model: Model, frame: Frame) -> None:
        wait_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
        try:
            result = model.predict(frame)
        except (InputError, ModelError, DelegateError) as error:
            with self._lock:
                self.errors += 1
            self._deliver(frame, no_answer(model, frame, str(error)), wait_ms)
            if not isinstance(error, InputError):
                raise
        else:
            self._deliver(frame, result, wait_ms)

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


def no_answer(model: Model, frame: Frame, error: str) -> Result:
    """The result for a frame that the model could not be asked about."""
    return Result.of(
        frame, task=model.task, model=model.id, device=model.device, prediction=None, status="error", error=error
    )


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
        reader.join(STOP_SOURCE_S)
