"""The thread that reads a source, and what becomes of it when it hangs in a driver."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from edge_infer.errors import SourceError, StalledError, UnavailableError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.heartbeat import Act
from edge_infer.flow.standstills import Standstills
from edge_infer.flow.worker import Worker
from edge_infer.intake import CHECK_S, Intake
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.stillness import Stillness
from edge_infer.sources.windows import Windows
from edge_infer.types import Frame, Wanted

log = logging.getLogger(__name__)

# A camera that comes back is found within this: small, because opening is cheap and a missed intruder is not.
BACKOFF_CAP_S = 2.0
# A name server that does not answer holds up opening a stream for 10 s (resolv.conf(5): twice 5); the sources' own
# limits for all else sum up to 7 s.
OPEN_S = 20.0
FILE_READ_S = 30.0  # a picture of 100 megapixels from a slow card; a file is not opened anew anyway
MAX_HUNG = 3  # threads that are left behind in one driver: more would not help, and each holds memory
PATIENCE = 1.5  # times what a source says of its own reads: then it hangs
STOP_S = 1.0  # a read that blocks longer is left behind


class Capturing:
    """The thread `source:<name>`: opens the source, for ever again, and feeds the intake.

    Where it hangs, another one takes its place: what a live source's thread still brings after that is nobody's. A file
    is not opened anew, since that would give its frames twice.

    Attributes:
        read_s: how long a read of a live source may take
        awaited_ns: since when (monotonic) the source is asked for frames; None: not yet
        heard_ns: when (monotonic) a frame was read last, which may be a part of a window only; 0: none
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], BaseSource],
        intake: Intake,
        ready: threading.Event,
        *,
        must_open: bool,
        read_s: float,
        max_still_s: float | None,
        wanted: Callable[[], Wanted | None] = lambda: None,
    ) -> None:
        """Prepare; `wanted` is asked when somebody can take frames: the windows of samples that they are to be."""
        self.name = name
        self.read_s = read_s
        self.awaited_ns: int | None = None
        self.heard_ns = 0
        self._open_source = open_source
        self._intake = intake
        self._ready = ready  # somebody can take frames
        self._must_open = must_open
        self._wanted = wanted
        self._stillness = Stillness(name, max_still_s) if max_still_s else None
        self._hanging: Act | None = None  # what the present thread hangs in
        self._hung: list[Worker] = []  # left behind
        self._ended_retries = 0  # of them, and how often one took another's place
        self._blind: tuple[int, int] | None = None  # since when (monotonic) and which frame there is none, for a hang
        self._skips: tuple[int, int] = (0, 0)  # frames that the source left out, and when (monotonic) that changed
        self._source: BaseSource | None = None
        self._worker = self._make_worker()

    def _make_worker(self, because: SourceError | None = None) -> Worker:
        return Worker(f"source:{self.name}", self._run, Backoff(base=0.1, cap=BACKOFF_CAP_S), because=because)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ask it to end; what it has given is still worked through."""
        self._worker.stop()
        if self._source:
            self._source.interrupt()

    def join(self, timeout: float) -> bool:
        """True if it has ended within `timeout` seconds; a read that hangs is left behind."""
        return self._worker.join(min(STOP_S, timeout))

    @property
    def alive(self) -> bool:
        """True while the source may give more."""
        return self._worker.alive

    @property
    def error(self) -> Exception | None:
        """What ended it, if that was no end of the source."""
        return self._worker.error

    @property
    def restarts(self) -> int:
        """How often the source was opened anew, or tried to."""
        return self._ended_retries + self._worker.retries

    @property
    def trouble(self) -> str | None:
        """Why there are no frames now, in a sentence."""
        if self._hanging:
            return self._says(self._hanging)
        why = str(self._worker.last_retry) if self._worker.last_retry else None
        return f"{why}; a thread hangs in its driver" if why and self._hung and "hangs" not in why else why

    def supervise(self, standstills: Standstills, exit_after_s: float | None) -> None:
        """Put another thread in the place of one that hangs; for one thread, which calls it often.

        `standstills` of the process do not count.

        Raises:
            StalledError: that has not helped for `exit_after_s` seconds.
        """
        self._hung = [worker for worker in self._hung if worker.alive]
        if self._blind and self._intake.frames != self._blind[1]:
            self._blind = None
        self._hanging = act = self._overdue(standstills)
        if act:
            self._blind = self._blind or (time.monotonic_ns(), self._intake.frames)
            if len(self._hung) < MAX_HUNG and (self._intake.live or act.what == "open"):
                self._replace(act)
        if self._blind and exit_after_s is not None and self._intake.live:
            self._give_up_after(exit_after_s, self._blind[0], standstills)

    def _overdue(self, standstills: Standstills) -> Act | None:
        """What hangs; a source that leaves out frames within a read is at work."""
        source = self._source
        skipped = source.skipped.total() if source else 0
        if skipped != self._skips[0]:
            self._skips = (skipped, time.monotonic_ns())
        return None if self._worker.stopping.is_set() else self._worker.heartbeat.overdue(standstills, self._skips[1])

    def _replace(self, act: Act) -> None:
        old, why = self._worker, SourceError(self._says(act))
        log.error("a thread hangs in a driver, another one takes its place", extra={"worker": old.name, "in": act.what})
        old.abandon()
        self._hung.append(old)
        self._ended_retries += old.retries + 1
        self._source = self._hanging = None
        self._worker = self._make_worker(because=why)
        self._worker.start()

    def _give_up_after(self, seconds: float, blind_ns: int, standstills: Standstills) -> None:
        """End the process where a thread hung all the time: the kernel then frees the device.

        Not where every thread came back, and opening just fails: that camera is unplugged.
        """
        if standstills.ran_s(blind_ns) < seconds:
            return
        for worker in (*self._hung, self._worker):
            act = worker.heartbeat.act
            if act and act.lasts_s(standstills) > seconds:
                raise StalledError(
                    f"{self.name}: the source hangs in its driver ({act.what}) since {act.lasts_s(standstills):.0f} s, "
                    "only the end of this process can free the device: check its cable and power"
                )

    def _says(self, act: Act) -> str:
        doing = {"open": "opening", "read": "reading", "close": "closing"}[act.what]
        return f"{doing} the source of {self.name} hangs: no answer in {act.limit_s:g} s"

    def _run(self, worker: Worker) -> None:
        while not self._ready.wait(CHECK_S):  # frames that nobody can take yet would only be dropped
            if worker.stopping.is_set():
                return
        self.awaited_ns = self.awaited_ns or time.monotonic_ns()
        with worker.heartbeat.working("open", OPEN_S):
            source = self._opened()
        try:
            if not worker.abandoned:
                self._source = source
                limit_s = self.read_s if source.live else FILE_READ_S
                limit_s = max(limit_s, PATIENCE * source.patience_s)
                watched = _Watched(source, worker, limit_s, self._stillness, self._heard)
                wanted = self._wanted()
                frames = Windows(watched, wanted) if wanted else watched
                self._intake.feed(frames, worker.stopping, worker.progress)
        finally:
            with worker.heartbeat.working("close", OPEN_S):
                source.close()
        if not worker.abandoned:
            self._intake.close()

    def _heard(self) -> None:
        self.heard_ns = time.monotonic_ns()

    def _opened(self) -> BaseSource:
        try:
            return self._open_source()
        except SourceError as error:
            if self._must_open and not self._intake.frames:
                raise UnavailableError(str(error)) from error
            raise


class _Watched:
    """A source whose thread may hang in it, and whose camera may lie."""

    def __init__(
        self,
        source: BaseSource,
        worker: Worker,
        read_s: float,
        stillness: Stillness | None,
        heard: Callable[[], object],
    ) -> None:
        self.name = source.name
        self.live = source.live
        self.skipped: Counter[str] = source.skipped
        self._source = source
        self._worker = worker
        self._read_s = read_s
        self._stillness = stillness if source.live else None
        self._heard = heard

    def read(self) -> Frame:
        """The next frame.

        Raises:
            SourceError: it broke off, or lies.
            EndOfStream: there are no more, or another thread reads by now.
        """
        while not self._worker.stopping.is_set():
            with self._worker.heartbeat.working("read", self._read_s):
                frame = self._source.read()
            if self._worker.abandoned:
                break
            if not self._stillness or not self._stillness.refuses(frame):
                self._heard()
                return frame
            self.skipped["still"] += 1
        raise EndOfStream

    def close(self) -> None:
        """Its thread closes it."""
