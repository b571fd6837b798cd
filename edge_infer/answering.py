"""The thread that makes results of what models have said, in the order of the frames."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from edge_infer.engine import Said, finished
from edge_infer.errors import DelegateError, InputError, ModelError, StalledError
from edge_infer.flow.heartbeat import Heartbeat
from edge_infer.flow.standstills import Standstills
from edge_infer.intake import Intake
from edge_infer.model import Model
from edge_infer.types import Frame, Result, Status

log = logging.getLogger(__name__)

PUBLISH_S = 60.0  # strict durability waits for the disk for seconds; nothing else may
HOLD_S = 0.25  # much more than answers of one model differ in the time they take
# Code that runs on a core right after a model has run there runs cold: decoding and encoding take 3 to 10 times as long
# (measured). Several results one after the other warm it up, where nobody waits for the single one: of a file as many
# as there is room for; of several workers for a live source some.
FILE_TOGETHER_S, LIVE_TOGETHER_S = 0.1, 0.02
# Where a model is quicker, the worker makes the result itself, since handing over takes longer (measured): one worker
# alone, and each of several, which leave no core to another thread.
QUICK_S, QUICK_TOGETHER_S = 0.0001, 0.001

# A worker whose model has answered needs the interpreter's lock, which nobody takes from another thread for 5 ms
# (sys.getswitchinterval): all that comes together would be made before it goes on. Asleep for less, the lock is ours
# again before the other has woken up (measured: 0.60 of a bare model of 0.25 ms, 0.69 so, 0.53 without).
GIVE_WAY_S = 1e-6  # and what the system adds, 50 us


class Answer(NamedTuple):
    """What a model has said about a frame.

    Attributes:
        place: of the frame, among those that were taken
        wait_ms: from its capture until a worker took it
    """

    place: int
    frame: Frame
    model: Model
    said: Said
    wait_ms: float


class Answering:
    """Decodes what workers leave to it, and hands on results one after the other, as their frames were taken.

    That is done by the thread `answer:<name>` while workers go on with the next frame; or by the worker itself, where
    no frame waits, or its model is quick.

    A worker that hangs holds up what the others have found for HOLD_S; its own frame's result comes later then. A
    `strict` order has no exception: what the others have found waits for the result that says that there was no answer
    (`inferring.Patience`).

    The results of a file, and those of several workers, are made some time after those before, or when there is no
    room.

    Attributes:
        quick_s: a model that answers sooner is quick
        failures: answers that could not be decoded
        awaited: when (perf_counter) the model of the only worker will have answered; inf: it is not asked
    """

    def __init__(
        self, name: str, intake: Intake, workers: int, deliver: Callable[[Frame, Result], object], *, strict: bool
    ) -> None:
        """Prepare; `deliver` gets each frame with its result, from one thread at a time."""
        self.name = name
        self.quick_s = QUICK_S if workers == 1 else QUICK_TOGETHER_S
        self.failures = 0
        self.awaited = math.inf
        self._strict = strict
        self._intake = intake
        self._workers = workers
        self._deliver = deliver
        self._heartbeat = Heartbeat()  # of who delivers
        self._delivering = threading.Lock()
        self._inbox: deque[Answer] = deque()
        self._early: dict[int, Answer] = {}  # those before them are missing
        self._next = 0  # the place whose turn it is
        self._missing_since = 0.0  # monotonic: that place holds up others
        self._delivered = 0
        self._room = threading.Event()
        self._bell = threading.Event()
        self._hurry = threading.Event()
        self._rest_until = 0.0  # monotonic
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"answer:{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, answer: Answer, *, at_once: bool = False) -> None:
        """Take over an answer; `at_once`: by this thread, unless another is at it."""
        self._inbox.append(answer)
        if at_once:
            self._work_off()
            return
        self._bell.set()
        if len(self._inbox) == self._intake.depth:  # there is still room for others
            self._hurry.set()

    def has_room(self, timeout: float) -> bool:
        """Wait until another frame may be taken: what is not delivered yet is held in memory."""
        if self._has_room():
            return True
        self._hurry.set()
        self._room.clear()
        return self._has_room() or self._room.wait(timeout)

    def _has_room(self) -> bool:
        return self._intake.taken - self._delivered < 2 * (self._workers + self._intake.depth)

    @property
    def idle(self) -> bool:
        """True if each frame that was taken has its result, or nobody works on them any more."""
        return self._intake.taken == self._delivered or not self.alive

    @property
    def alive(self) -> bool:
        """True while it takes answers."""
        return self._thread.is_alive() and self._error is None

    @property
    def error(self) -> Exception | None:
        """What ended it."""
        return self._error

    def supervise(self, standstills: Standstills) -> None:
        """Look whether a result is taken over; `standstills` of the process do not count.

        Raises:
            StalledError: not in time, and nothing helps.
        """
        act = self._heartbeat.overdue(standstills)
        if act:
            raise StalledError(f"{self.name}: a result is not taken over for {act.limit_s:g} s, all others wait for it")

    def join(self, timeout: float) -> bool:
        """End when all is delivered that was put; True if that is so within `timeout` seconds."""
        self._stopping.set()
        self._hurry.set()
        self._bell.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set() and self._error is None:
            self._bell.wait(HOLD_S)
            self._bell.clear()
            self._work_off(gives_way=self._workers == 1)
            self._rest()
        with self._delivering:
            try:
                self._sort_in()
                for place in sorted(self._early):  # whose worker has died over one before
                    self._answer(self._early.pop(place))
            except Exception as error:  # noqa: BLE001 - as in _work_off
                self._error = self._error or error

    def _work_off(self, *, gives_way: bool = False) -> None:
        """Deliver what is due, unless another thread does; that one looks again before it goes."""
        while (self._inbox or self._is_late()) and self._error is None and self._delivering.acquire(blocking=False):
            try:
                self._sort_in()
                if self._is_late():
                    self._next = min(self._early)
                while (due := self._early.pop(self._next, None)) is not None:
                    self._next += 1
                    self._missing_since = time.monotonic()
                    self._answer(due)
                    if gives_way and time.perf_counter() > self.awaited:
                        time.sleep(GIVE_WAY_S)
            except Exception as error:  # noqa: BLE001 - the boundary: whoever started the pipeline reads it
                self._error = error
            finally:
                self._delivering.release()

    def _sort_in(self) -> None:
        if not self._early:
            self._missing_since = time.monotonic()
        while self._inbox:
            answer = self._inbox.popleft()
            if answer.place < self._next:  # it comes too late for its turn
                self._answer(answer)
            else:
                self._early[answer.place] = answer

    def _is_late(self) -> bool:
        """An answer holds up others for too long."""
        return bool(self._early) and not self._strict and time.monotonic() - self._missing_since >= HOLD_S

    def _rest(self) -> None:
        """Let some answers come together."""
        now = time.monotonic()
        if now < self._rest_until and (self._workers > 1 or not self._intake.live):
            self._hurry.wait(self._rest_until - now)
        self._hurry.clear()
        self._rest_until = time.monotonic() + (LIVE_TOGETHER_S if self._intake.live else FILE_TOGETHER_S)

    def _answer(self, answer: Answer) -> None:
        with self._heartbeat.working("publish", PUBLISH_S):
            self._deliver(answer.frame, self._result(answer))
        self._delivered += 1
        if not self._room.is_set():
            self._room.set()

    def _result(self, answer: Answer) -> Result:
        before, dropped = {"wait": answer.wait_ms}, self._intake.unreported_drops()
        try:
            return answer.said(before, dropped)
        except (InputError, ModelError, DelegateError) as error:
            self.failures += 1
            log.warning("an answer cannot be decoded: %s", error)
            return finished(no_answer(answer.model, answer.frame, str(error)))(before, dropped)


def no_answer(model: Model, frame: Frame, error: str, status: Status = "error") -> Result:
    """The result for a frame that the model could not be asked about, or did not answer."""
    return Result.of(
        frame, task=model.task, model=model.id, device=model.device, prediction=None, status=status, error=error
    )
