"""The thread that asks a model, and what becomes of it when it hangs there."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress

from edge_infer.answering import Answer, Answering, no_answer
from edge_infer.engine import Said, finished
from edge_infer.errors import (
    DelegateError,
    DelegateTimeoutError,
    InputError,
    ModelError,
    StalledError,
    TransientError,
)
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.heartbeat import Act
from edge_infer.flow.mailbox import Closed
from edge_infer.flow.standstills import Standstills
from edge_infer.flow.worker import Worker
from edge_infer.health.stages import Histogram
from edge_infer.intake import CHECK_S, Intake, Taken
from edge_infer.model import Model
from edge_infer.types import Frame, Status

log = logging.getLogger(__name__)

INFER_S = 1.5  # with a tick of 0.25 s a hang is noticed, mended and reported within 3 s
LOAD_S = 30.0  # for loading a model, and for its first answer on a device: caches, compilation, a card that is slow
SLOWER = 20  # times its 99th percentile: a model that needs longer for a frame hangs
LEARN = 32  # answers, and so many more each time, until the percentile is computed anew
EARLY = 0.8  # of the usual time, which has some waiting in it, an answer is awaited
HEAL_S = 1.0  # more than a model that heals itself takes by its own deadlines: this one is the net below
REPLACEMENTS, WITHIN_S = 3, 600.0  # so many hangs in so short a time: another thread does not help


class Patience:
    """How long a model may take for one frame: `floor_s`, or 20 times its own 99th percentile where that is more."""

    def __init__(self) -> None:
        self.floor_s = INFER_S
        self._device: str | None = None
        self._times = Histogram()
        self._usual_s = 0.0

    def limit_s(self, device: str) -> float:
        """For the next frame; the first on a device takes longer."""
        if device != self._device:
            self._device, self._times, self._usual_s = device, Histogram(), 0.0
            return max(LOAD_S, self.floor_s)
        return max(self.floor_s, SLOWER * self._usual_s)

    def forget(self) -> None:
        """Another model comes, whose first answer takes longer, too."""
        self._device = None

    def learn(self, seconds: float) -> None:
        """So long an answer took."""
        self._times.add(seconds * 1e3)
        if self._times.total <= LEARN or self._times.total % LEARN == 0:
            self._usual_s = self._times.percentile(0.99) / 1e3


class Inferring:
    """The thread `infer:<name>`: takes frames from the intake and asks its own model about them.

    Where that hangs, another thread loads the model anew. Each frame that was taken gets one result: what a thread
    finds out after it was left behind is nobody's.

    Attributes:
        model: that it asks; None until it is loaded
        patience: with the model; `patience.floor_s` may be changed
        load_model: asked after each failure
        failures: frames without an answer
    """

    def __init__(
        self,
        name: str,
        load_model: Callable[[], Model],
        intake: Intake,
        ready: threading.Event,
        answering: Answering,
    ) -> None:
        """Prepare; `answering` gets what the model says about each frame."""
        self.name = name
        self.model: Model | None = None
        self.load_model = load_model
        self.failures = 0
        self._intake = intake
        self._ready = ready
        self._answering = answering
        self.patience = Patience()
        self._fresh: deque[Model] = deque()  # what it goes on with
        self._in_hand: dict[Worker, Taken] = {}  # who takes a frame out of it answers it
        self._replaced: deque[float] = deque(maxlen=REPLACEMENTS)  # when (monotonic)
        self._ended_retries = 0
        self._usual_s = answering.quick_s
        self._worker = self._make_worker()

    def _make_worker(self, because: TransientError | None = None) -> Worker:
        return Worker(f"infer:{self.name}", self._run, Backoff(base=0.5, cap=30.0), because=because)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ask it to end, when the intake has nothing more."""
        self._worker.stop()

    def join(self, timeout: float) -> bool:
        """True if it has ended within `timeout` seconds; one that hangs is left behind, and its frame answered."""
        ended = self._worker.join(timeout)
        if not ended:
            self._leave_behind("the daemon did not wait for the model any longer")
        self.close_fresh()
        return ended

    @property
    def alive(self) -> bool:
        """True while it may give results."""
        return self._worker.alive

    @property
    def error(self) -> Exception | None:
        """What ended it, if that was no end of the source."""
        return self._worker.error

    @property
    def restarts(self) -> int:
        """How often the model was loaded anew, or it was tried to, after a failure."""
        return self._ended_retries + self._worker.retries

    @property
    def trouble(self) -> str | None:
        """Why there are no answers now, in a sentence."""
        return str(self._worker.last_retry) if self._worker.last_retry else None

    @property
    def has_begun(self) -> bool:
        """True once the model was loaded, or did not load."""
        return self.model is not None or self.restarts > 0 or not self._worker.alive

    def go_on_with(self, model: Model) -> None:
        """From the next frame on, ask this one."""
        self.close_fresh()
        self._fresh.append(model)

    def close_fresh(self) -> None:
        """Close the model that nobody has gone on with."""
        with suppress(IndexError):  # the thread was quicker
            self._fresh.pop().close()

    def supervise(self, standstills: Standstills) -> None:
        """Put another thread in the place of one that hangs; for one thread, which calls it often.

        `standstills` of the process do not count.

        Raises:
            StalledError: that does not help.
        """
        act = None if self._worker.stopping.is_set() else self._worker.heartbeat.overdue(standstills)
        if act:
            self._replace(act)

    def _replace(self, act: Act) -> None:
        doing = "did not load" if act.what == "load" else "gave no answer"
        why = f"the model of {self.name} hangs: it {doing} in {act.limit_s:.1f} s"
        now = time.monotonic()
        self._replaced.append(now)
        if len(self._replaced) == REPLACEMENTS and now - self._replaced[0] < WITHIN_S:
            raise StalledError(f"{why}, for the {REPLACEMENTS}rd time in {WITHIN_S / 60:.0f} minutes")
        log.error("a model hangs, it is loaded anew", extra={"worker": self._worker.name, "in": act.what})
        self._leave_behind(why)
        self._ended_retries += self._worker.retries + 1
        self._worker = self._make_worker(because=TransientError(f"{why}; it is loaded anew"))
        self._worker.start()

    def _leave_behind(self, why: str) -> None:
        worker, model = self._worker, self.model
        worker.abandon()
        taken = self._in_hand.pop(worker, None)
        if taken and model:
            self.failures += 1
            self._answer(taken, model, finished(no_answer(model, taken.frame, why, "timeout")), waited_ms(taken.frame))

    def _run(self, worker: Worker) -> None:
        with ExitStack() as loaded, suppress(Closed):
            with worker.heartbeat.working("load", LOAD_S):
                model = loaded.enter_context(self.load_model())
            if not worker.abandoned:
                self.model = model
                self.patience.forget()
                self._ready.set()
            while not worker.abandoned and self._answering.alive:
                taken = self._intake.take() if self._answering.has_room(CHECK_S) else None
                if self._fresh and (fresh := self._next()):
                    with worker.heartbeat.working("load", LOAD_S):
                        loaded.close()
                    self.model = model = loaded.enter_context(fresh)
                if taken is not None:
                    self._ask(worker, model, taken)

    def _next(self) -> Model | None:
        try:
            return self._fresh.pop()
        except IndexError:
            return None

    def _ask(self, worker: Worker, model: Model, taken: Taken) -> None:
        frame = taken.frame
        wait_ms = waited_ms(frame)
        self._in_hand[worker] = taken
        failure: Exception | None = None
        limit_s = self.patience.limit_s(model.device)
        if model.limit_s is not None:
            limit_s = max(limit_s, model.limit_s + HEAL_S)
        started = time.perf_counter()
        try:
            with worker.heartbeat.working("infer", limit_s):
                self._answering.awaited = started + EARLY * self._usual_s
                said = model.ask(frame, taken.prepared)
        except (InputError, ModelError, DelegateError) as error:
            status: Status = "timeout" if isinstance(error, DelegateTimeoutError) else "error"
            said, failure = finished(no_answer(model, frame, str(error), status)), error
        self._answering.awaited = math.inf
        took_s = time.perf_counter() - started
        if self._in_hand.pop(worker, None) is None:  # it took too long, and there is another answer
            return
        self._answer(taken, model, said, wait_ms)
        self._usual_s += (took_s - self._usual_s) / LEARN
        if failure is None:
            self.patience.learn(took_s)
        else:
            self.failures += 1
            if not isinstance(failure, InputError) and not (model.heals and isinstance(failure, DelegateError)):
                raise failure
        worker.progress()

    def _answer(self, taken: Taken, model: Model, said: Said, wait_ms: float) -> None:
        at_once = self._usual_s < self._answering.quick_s or not self._intake.waiting
        self._answering.put(Answer(taken.place, taken.frame, model, said, wait_ms), at_once=at_once)


def waited_ms(frame: Frame) -> float:
    """From its capture until now."""
    return (time.monotonic_ns() - frame.captured_ns) / 1e6
