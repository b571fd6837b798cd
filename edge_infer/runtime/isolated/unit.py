"""One accelerator: its process, what that has loaded, and what becomes of it when it fails."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias

from edge_infer.errors import DelegateError, DelegateTimeoutError, ModelError
from edge_infer.runtime.delegate import AbsentError
from edge_infer.runtime.isolated.generation import Fault, Generation
from edge_infer.runtime.isolated.job import DEADLINE_S, Job, share
from edge_infer.runtime.isolated.messages import Load
from edge_infer.runtime.isolated.quarantine import IMPATIENT_S, PAUSES_S, Quarantine
from edge_infer.runtime.isolated.turns import Turns
from edge_infer.types import Array

log = logging.getLogger(__name__)

State: TypeAlias = Literal["starting", "running", "quarantined", "absent"]

LOOK_S = 5.0  # how often it is looked whether an absent accelerator was plugged in
TURN_S = IMPATIENT_S + 1.0  # for a thread whose turn does not come

turns: Turns["Unit"] = Turns()


class Unit:
    """Started when its first job comes, ended when its last one goes.

    Attributes:
        name: what results call it
        device: what its delegate is asked for
        state: of its process; `quarantined` after repeated faults
        started: processes so far
        faults: by kind: `hang`, `crash`, `error` (it says so itself), `load`, `lie` (a wrong answer)
    """

    def __init__(
        self,
        name: str,
        library: str,
        *,
        device: str,
        delegate: str | None = None,
        options: Mapping[str, str] | None = None,
        is_there: Callable[[], bool] = lambda: True,
        await_firmware: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.library = library
        self.state: State = "starting"
        self.started = 0
        self.invokes = 0
        self.faults: Counter[str] = Counter()
        self.last_fault: str | None = None
        self.refusal = DelegateError(f"{name} is starting")
        self.device = device
        self._delegate = delegate
        self._options = dict(options or {})
        self._is_there = is_there
        self._await_firmware = await_firmware
        self._jobs: dict[int, Job] = {}
        self._users: Counter[int] = Counter()  # by job
        self._generation: Generation | None = None
        self._quarantine = Quarantine()
        self._retry_at: float | None = None
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()
        self._changing = threading.RLock()  # jobs and processes come and go one at a time; `run` does not hold it

    def add(self, job: Job) -> None:
        """Load a model, in a process that is started if there is none.

        Raises:
            ModelError: the model is to blame.
            DelegateError: not now; it is tried again, and the model loaded when that works.
        """
        with self._changing:
            self._users[job.number] += 1
            self._jobs[job.number] = job
            if self._keeper:
                raise self.refusal
            if self._generation is None:
                self._start()
            elif self._users[job.number] > 1:
                pass  # it is there
            elif turns.take([self], TURN_S, hopeful=False):
                self._load_beside(job)
            else:
                raise self.refusal
            if job.refused:
                raise job.refused

    def remove(self, job: Job) -> None:
        """Forget a model when the last who wants it goes; the last model ends the process."""
        with self._changing:
            self._users[job.number] -= 1
            if self._users[job.number] > 0:
                return
            del self._users[job.number]
            self._jobs.pop(job.number, None)
            if not self._jobs:
                self.close()
            elif self._generation and turns.take([self], TURN_S, hopeful=False):
                self._generation.unload(job.number)
                turns.offer(self)

    def close(self) -> None:
        """End the process, and give the accelerator back."""
        with self._changing:
            self._jobs.clear()
            self._closing.set()
            self._closing = threading.Event()
            self._keeper = None
            self._retry_at = None
            turns.withdraw(self, coming=False)
            generation, self._generation = self._generation, None
            if generation:
                generation.close()

    def run(self, job: Job, inputs: Sequence[Array], *, follows: bool = False) -> list[Array]:
        """Outputs of a model, which begins anew unless these follow the last; the caller has the turn, which ends.

        Raises:
            ModelError: the model or its inputs are to blame.
            DelegateError: the accelerator failed, and is being replaced; or it was, and the inputs follow nothing.
        """
        assert self._generation is not None  # noqa: S101 - it was offered
        try:
            if job.refused:
                raise job.refused
            if job.remembers:
                self._generation.go_on(job.number, follows=follows)
            started = time.monotonic()
            outputs = self._generation.run(job.number, inputs, job.deadline())
        except Fault as fault:
            self._failed(fault, self._generation)
            raise self._as_error(fault) from fault
        except BaseException:
            turns.offer(self)
            raise
        job.times_s.append(time.monotonic() - started)
        self.invokes += 1
        turns.offer(self)
        return outputs

    @property
    def used(self) -> bool:
        """Whether a model wants it."""
        return bool(self._jobs)

    @property
    def retry_in_s(self) -> float | None:
        """Seconds until it is tried again; None while it works."""
        return None if self._retry_at is None else max(0.0, self._retry_at - time.monotonic())

    @property
    def p50_ms(self) -> float | None:
        """Of the last inferences, with the way there and back; None before the first."""
        return self._share_ms(0.5)

    @property
    def p99_ms(self) -> float | None:
        """As `p50_ms`."""
        return self._share_ms(0.99)

    @property
    def deadline_s(self) -> float:
        """The longest of its jobs'."""
        return max((job.deadline() for job in list(self._jobs.values())), default=DEADLINE_S)

    @property
    def pid(self) -> int | None:
        """Of the process, where there is one."""
        return self._generation.pid if self._generation else None

    def _share_ms(self, wanted: float) -> float | None:
        times = [seconds for job in list(self._jobs.values()) for seconds in list(job.times_s)]
        return round(share(times, wanted) * 1e3, 3) if times else None

    def _start(self) -> None:
        """Start a process and load all jobs; twice, since a USB accelerator comes back as another device at first.

        Raises:
            DelegateError: it does not work; the keeper goes on trying.
        """
        self.state = "starting"
        if not self._is_there():
            self.state = "absent"
            self.refusal = AbsentError(
                "no Edge TPU is plugged in" if self.name == "edgetpu" else f"{self.name} is not plugged in"
            )
            self._keep_trying(None, LOOK_S)
            raise self.refusal
        try:
            try:
                generation = self._launched()
            except Fault as fault:
                if fault.kind in ("hang", "lie"):
                    raise
                log.info("%s refuses at first: %s", self.name, fault)
                self._await_firmware()
                generation = self._launched()
        except Fault as fault:
            self._failed(fault, None)
            raise self.refusal from fault
        self._generation = generation
        self._retry_at = None
        self.state = "running"
        turns.offer(self)

    def _launched(self) -> Generation:
        """A process that has loaded all jobs.

        Raises:
            Fault: it has not, and has ended.
        """
        self.started += 1
        generation = Generation(self.library)
        try:
            for job in self._jobs.values():
                self._load(generation, job)
        except Fault as fault:
            how = generation.close(grace_s=0.0)
            raise Fault(fault.kind, f"{fault} ({how})" if fault.kind == "crash" else str(fault)) from fault
        return generation

    def _load_beside(self, job: Job) -> None:
        """Load one more into the process that runs; we have the turn."""
        assert self._generation is not None  # noqa: S101 - it was offered
        try:
            self._load(self._generation, job)
        except Fault as fault:
            self._failed(fault, self._generation)
            raise self.refusal from fault
        turns.offer(self)

    def _load(self, generation: Generation, job: Job) -> None:
        """Load a job, and hold its answer to a known question against its first one."""
        request = Load(
            job.number,
            str(job.model.path),
            job.model.sha256,
            job.threads,
            self.device,
            self._delegate,
            self._options,
            job.shapes,
        )
        try:
            about = generation.load(request)
        except ModelError as error:
            job.refused = error
            return
        if job.about and job.about.proof != about.proof:
            raise Fault("lie", f"it answers otherwise about {job.model.path.name} than when it was first started")
        job.about = job.about or about

    def _failed(self, fault: Fault, dead: Generation | None) -> None:
        """Count a fault, and leave the rest to the keeper: the end of the process, and the start of the next."""
        self._generation = None
        pause = self._quarantine.failed(
            time.monotonic(), patient=not any(job.alone for job in list(self._jobs.values()))
        )
        self.state = "starting" if pause <= max(PAUSES_S) else "quarantined"
        if dead is None and self.last_fault != str(fault):
            log.warning("%s does not start: %s", self.name, fault, extra={"state": self.state})
        self.last_fault = str(fault)
        self.refusal = self._as_error(fault)
        self.faults[fault.kind] += 1
        self._keep_trying(dead, pause)

    def _as_error(self, fault: Fault) -> DelegateError:
        kind = DelegateTimeoutError if fault.kind == "hang" else DelegateError
        return kind(str(fault) if fault.kind == "load" else f"{self.name}: {fault}")

    def _keep_trying(self, dead: Generation | None, pause: float) -> None:
        self._retry_at = time.monotonic() + pause
        turns.withdraw(self, coming=pause <= IMPATIENT_S)
        self._keeper = threading.Thread(
            target=self._keep, args=(dead, self._closing), name=f"accelerator:{self.name}", daemon=True
        )
        self._keeper.start()

    def _keep(self, dead: Generation | None, closing: threading.Event) -> None:
        """Bury the process that failed, and start another when it is time; a thread of its own."""
        if dead:
            how = dead.close(grace_s=0.0)
            log.warning("%s failed: %s", self.name, self.last_fault, extra={"end": how, "state": self.state})
            self.last_fault = f"{self.last_fault} ({how})"
        if closing.wait(self.retry_in_s or 0.0):
            return
        with self._changing, suppress(DelegateError):  # then another keeper goes on
            if not closing.is_set():
                self._keeper = None
                self._start()
                log.info("%s works", self.name, extra={"started": self.started})
