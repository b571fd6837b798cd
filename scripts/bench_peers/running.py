"""The driver's side of a worker: its process, its turns, and what it says."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench_peers import machine
from bench_peers.contenders import STEPS, Contender
from bench_peers.environments import python_of
from bench_peers.workers.turns import LATE_S, WARM_S, Given

SCRIPTS = Path(__file__).resolve().parents[1]
START_S = 60.0
# Of steps alone the arithmetic is compared: where glibc gives a picture's memory back after each call and fetches it
# anew, OpenCV's letterbox takes five times as long (measured). Whole programs are run as they are.
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # numpy's; the runtimes have their own


class FailedError(Exception):
    """A contender could not be run, and why."""


@dataclass(frozen=True)
class Turn:
    """One contender's share of one round.

    Attributes:
        dropped: frames of a camera that were left out for newer ones
        others: share of all processors that neither it nor the broker took
        quiet: the machine was, before
    """

    round: int
    frames: int
    seconds: float
    dropped: int
    cpu_seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    others: float
    quiet: bool

    @property
    def fps(self) -> float:
        """Frames a second that the broker has acknowledged."""
        return self.frames / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU time for each frame, the broker's not among it."""
        return self.cpu_seconds * 1e3 / max(1, self.frames)


@dataclass
class Worker:
    """One contender with one model, in a process of its own that lives from its first turn to its last."""

    contender: Contender
    process: "subprocess.Popen[str]"
    lines: "queue.Queue[str]"
    reader: threading.Thread
    log: Path
    versions: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    memory_mb: float = 0.0

    @classmethod
    def start(cls, contender: Contender, given: Given, scratch: Path) -> "Worker":
        """Start it, and wait until it has its model.

        Raises:
            FailedError: its process ended, or says why it cannot.
            CannotBeMadeError: its environment.
        """
        python = python_of(contender.environment) if contender.environment else sys.executable
        log = scratch / f"{contender.name}.log"
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(SCRIPTS), "GLOG_minloglevel": "2"}
        if given.kind in STEPS:
            environment |= KEEPS_MEMORY
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [python, "-W", "ignore", "-m", f"bench_peers.workers.{contender.module}", json.dumps(asdict(given))],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        reader.start()
        worker = cls(contender, process, lines, reader, log)
        try:
            worker.versions = worker._hear(START_S)["versions"]
        except FailedError:
            worker.end()
            raise
        return worker

    def take_turn(self, number: int, seconds: float, patience_s: float, broker: int) -> Turn:
        """One turn, on a quiet machine if that can be had in `patience_s`; `broker`: its process.

        Raises:
            FailedError: it ended, or has lost frames.
        """
        assert self.process.stdin
        quiet = machine.wait_quiet(patience_s)
        before, started = self._clocks(broker), time.monotonic()
        with suppress(BrokenPipeError):  # it has ended, and `_hear` says why
            print(json.dumps({"seconds": seconds}), file=self.process.stdin, flush=True)
        said = dict(self._hear(seconds + WARM_S + 2 * LATE_S))
        lasted, *used = (after - earlier for after, earlier in zip(self._clocks(broker), before, strict=True))
        self.answers = said.pop("answers")
        others = max(0.0, lasted - sum(used)) / (time.monotonic() - started) / (os.cpu_count() or 1)
        turn = Turn(number, **said, others=round(others, 3), quiet=quiet)
        self.turns.append(turn)
        return turn

    def _clocks(self, broker: int) -> tuple[float, ...]:
        return machine.busy_s(), *(machine.used_s(pid) for pid in (self.process.pid, broker, os.getpid()))

    def weigh(self) -> None:
        """How much memory it has now."""
        self.memory_mb = machine.memory_mb(self.process.pid)

    def end(self) -> None:
        """Let it end by itself, and else end it."""
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(LATE_S)
        except subprocess.TimeoutExpired:
            for process in machine.tree(self.process.pid):
                process.kill()
            self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def _hear(self, timeout: float) -> Mapping[str, Any]:
        """Its next line; what a library prints to stdout is no line of its own."""
        while True:
            try:
                line = self.lines.get(timeout=timeout)
            except queue.Empty:
                raise FailedError(f"it said nothing for {timeout:.0f} s") from None
            if not line:
                said = [each for each in self.log.read_text(errors="replace").splitlines() if each.strip()]
                raise FailedError(f"it ended: {said[-1] if said else f'exit code {self.process.wait()}'}")
            if line.startswith("{"):
                said_now: dict[str, Any] = json.loads(line)
                if "failed" in said_now:
                    raise FailedError(said_now["failed"])
                return said_now


def _read(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    assert process.stdout
    for line in process.stdout:
        lines.put(line)
    lines.put("")
