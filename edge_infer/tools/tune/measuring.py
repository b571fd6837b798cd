"""Measures candidates side by side: short turns, round by round, so that what else is going on hits all of them."""

import ctypes
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from edge_infer.errors import EdgeInferError, StalledError
from edge_infer.health.process import this_process
from edge_infer.model import Model
from edge_infer.plan.points import Point
from edge_infer.registry import load_model
from edge_infer.tools.bench.early_stopping import highest, needed, plain
from edge_infer.tools.tune.candidates import Candidate
from edge_infer.tools.tune.shown import Shown

P90 = 0.9
WARM = 3  # frames of each worker that do not count
LONGER = 4.0  # times as long a turn of a slow model may last, to see enough frames
START_S = 120.0  # until all workers have seen their first frames


@dataclass(frozen=True, slots=True)
class Turn:
    """One candidate's share of one round."""

    latencies_ms: tuple[float, ...]
    infers_ms: tuple[float, ...]
    fps: float
    cpu_seconds: float
    memory_bytes: int


@dataclass
class Measured:
    """What came of it.

    Attributes:
        left_out: candidates that cannot be used, and why
    """

    turns: dict[Candidate, list[Turn]] = field(default_factory=dict)
    left_out: dict[Candidate, str] = field(default_factory=dict)

    def points(self) -> dict[Candidate, Point]:
        """Of those that were measured."""
        return {candidate: point(candidate, turns) for candidate, turns in self.turns.items() if turns}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is measured: `rounds` turns of each candidate, of `seconds` each."""

    seconds: float
    rounds: int

    @property
    def frames(self) -> int:
        """Of each turn, that make a bound of the 90th percentile together."""
        return -(-needed(P90) // self.rounds)


def measure(
    candidates: Sequence[Candidate],
    shown: Shown,
    effort: Effort,
    stop: threading.Event,
    progress: Callable[[], object] = lambda: None,
) -> Measured:
    """All of them, in an order that changes from round to round; once `stop` is set, what there is until then."""
    found = Measured({candidate: [] for candidate in candidates})
    for number in range(effort.rounds):
        for candidate in list(candidates)[:: 1 if number % 2 else -1]:
            if stop.is_set():
                return found
            if candidate not in found.left_out:
                try:
                    found.turns[candidate].append(turn(candidate, shown, effort, stop))
                except EdgeInferError as error:
                    found.left_out[candidate] = str(error)
            progress()
    return found


def turn(candidate: Candidate, shown: Shown, effort: Effort, stop: threading.Event) -> Turn:
    """All workers at once, each with its own model, as fast as they can.

    Raises:
        EdgeInferError: the model cannot be loaded so, or fails.
    """
    before = _memory_bytes()
    with ExitStack() as loaded:
        models = [loaded.enter_context(load_model(candidate.settings)) for _ in range(candidate.workers)]
        hands = [_Hand(model, shown, effort, stop, first, candidate.workers) for first, model in enumerate(models)]
        begin = threading.Barrier(candidate.workers + 1)
        threads = [threading.Thread(target=hand.work, args=(begin,), daemon=True) for hand in hands]
        for thread in threads:
            thread.start()
        with suppress(threading.BrokenBarrierError):  # one of them failed, and says why
            begin.wait(START_S)
        cpu = time.process_time()
        for thread in threads:
            thread.join()
        cpu_seconds = time.process_time() - cpu
        memory = this_process().rss_bytes - before
    for hand in hands:
        if hand.failure:
            raise hand.failure
    latencies = tuple(ms for hand in hands for ms in hand.latencies_ms)
    if not latencies:
        raise StalledError(f"{candidate} gave no answer within {effort.seconds:g} s: give it more --seconds")
    infers = tuple(ms for hand in hands for ms in hand.infers_ms)
    return Turn(latencies, infers, sum(hand.fps for hand in hands), cpu_seconds, max(0, memory))


class _Hand:
    """One worker: every `of`-th frame, from the `first` on, through its own model."""

    def __init__(self, model: Model, shown: Shown, effort: Effort, stop: threading.Event, first: int, of: int) -> None:
        self.latencies_ms: list[float] = []
        self.infers_ms: list[float] = []
        self.fps = 0.0
        self.failure: EdgeInferError | None = None
        self._model, self._shown, self._effort, self._stop = model, shown, effort, stop
        self._first, self._of = first, of

    def work(self, begin: threading.Barrier) -> None:
        try:
            for number in range(WARM):
                self._model.predict(self._shown.frame(number))
            begin.wait(START_S)
            self._go()
        except EdgeInferError as error:
            self.failure = error
            begin.abort()
        except threading.BrokenBarrierError:
            return

    def _go(self) -> None:
        started, number = time.perf_counter(), WARM + self._first
        while not self._stop.is_set():
            frame = self._shown.frame(number)
            before = time.perf_counter()
            result = self._model.predict(frame)
            now = time.perf_counter()
            self.latencies_ms.append((now - before) * 1e3)
            self.infers_ms.append(result.timings_ms.get("infer", self.latencies_ms[-1]))
            number += self._of
            elapsed, enough = now - started, len(self.latencies_ms) >= self._effort.frames
            self.fps = len(self.latencies_ms) / elapsed
            if elapsed >= self._effort.seconds * (1.0 if enough else LONGER):
                return


def point(candidate: Candidate, turns: Sequence[Turn]) -> Point:
    """The figures of a candidate: times of all rounds together, rates and memory the medians of the rounds."""
    latencies = sorted(ms for turn in turns for ms in turn.latencies_ms)
    place = highest(len(latencies), P90)
    return Point(
        device=candidate.device,
        accelerators=candidate.accelerators,
        threads=candidate.threads,
        workers=candidate.workers,
        p50_ms=plain(latencies, 0.5),
        p90_ms=round(latencies[-place], 4) if place else plain(latencies, P90),
        infer_p90_ms=plain([ms for turn in turns for ms in turn.infers_ms], P90),
        is_bound=place > 0,
        frames=len(latencies),
        fps=round(statistics.median(turn.fps for turn in turns), 2),
        cpu_ms=round(statistics.median(turn.cpu_seconds * 1e3 / len(turn.latencies_ms) for turn in turns), 4),
        memory_bytes=int(statistics.median(turn.memory_bytes for turn in turns)),
    )


def _memory_bytes() -> int:
    """Of this process, after what earlier candidates have freed was given back to the system."""
    with suppress(OSError, AttributeError):  # not every C library has it
        ctypes.CDLL(None).malloc_trim(0)
    return this_process().rss_bytes
