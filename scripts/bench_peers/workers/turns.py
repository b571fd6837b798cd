"""What the workers share: frames at the rate of a camera or as fast as they are taken, turns on demand, figures.

A worker says what it is in one line of JSON. It then waits; each line `{"seconds": S}` on stdin is a turn, answered
with one line of figures. What it does in between stays as it is: starting is not measured.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

RING = 8  # pictures that are shown again and again
WARM_S = 0.3  # of a turn that is not counted: threads wake up, queues fill
LATE_S = 20.0  # then a frame that was not acknowledged is lost
SETTLED_S = 1.0  # after a turn of a camera: longer than anything is under way
MIN_SCORE = 0.5  # of objects
TOP_K = 5  # classes

Said = list[dict[str, Any]]  # objects or classes: label, score and, of an object, its box in pixels of the frame


@dataclass(frozen=True)
class Given:
    """What a worker is started with.

    Attributes:
        kind: of the model: classify, ssd, yolo, or raw where only the largest values are wanted
        frames: file of (RING, height, width, 3) uint8, BGR
        url: of the broker
        fps: of the camera; 0: a frame is there whenever one is asked for
        options: of this contender
    """

    model: str
    kind: str
    labels: tuple[str, ...]
    frames: str
    url: str
    fps: float
    options: dict[str, Any]

    @classmethod
    def from_arguments(cls) -> "Given":
        """As the driver gives it: one argument of JSON."""
        given = json.loads(sys.argv[1])
        return cls(**given | {"labels": tuple(given["labels"])})


class Go(Protocol):
    """An Event, of threads or of processes."""

    def is_set(self) -> bool: ...
    def wait(self) -> Any: ...


class Ended(Exception):  # noqa: N818 - control flow, not an error
    """There are no more turns."""


class Camera:
    """Numbers and frames, one at a time to whoever asks, while `go` is set; each frame in memory of its own.

    `wait` is called where it is not set, and returns when it is.
    """

    def __init__(self, frames: str, fps: float, go: Go, wait: Callable[[], object] | None = None) -> None:
        self.frames = np.load(frames)
        self._period_s = 1 / fps if fps else 0.0
        self._go = go
        self._wait = wait or go.wait
        self._lock = threading.Lock()
        self._number = -1
        self._due = 0.0

    def tick(self) -> int:
        """The number of the next frame, when it is there."""
        with self._lock:
            while True:
                if not self._go.is_set():
                    self._wait()
                if self._period_s:
                    self._due = max(self._due + self._period_s, time.monotonic())
                    time.sleep(max(0.0, self._due - time.monotonic()))
                    if not self._go.is_set():
                        continue
                self._number += 1
                return self._number

    def read(self) -> tuple[int, Any]:
        """The next frame as a camera gives it."""
        number = self.tick()
        return number, self.frames[number % RING].copy()


class Turns:
    """Counts what was taken and what is done; any thread may tell."""

    def __init__(self, given: Given, go: Any = None) -> None:
        self.given = given
        self.go = go or threading.Event()
        self.camera = Camera(given.frames, given.fps, self.go, self.wait)
        self.children: list[int] = []  # processes whose time counts, too
        self._ended = False
        self._taken: dict[int, int] = {}
        self._answers: dict[int, Said] = {}
        self._latencies_ns: list[int] = []
        threading.excepthook = lambda failed: self.fail(f"{type(failed.exc_value).__name__}: {failed.exc_value}")

    def read(self) -> tuple[int, Any]:
        """The next frame; its time begins now."""
        number, frame = self.camera.read()
        self.took(number, time.monotonic_ns())
        return number, frame

    def took(self, number: int, now_ns: int) -> None:
        """A frame was taken."""
        self._taken[number] = now_ns

    def say(self, number: int, objects: Said) -> bytes:
        """What is published of a frame; the last answer about each picture is kept, to be compared."""
        self.answer(number, objects)
        return json.dumps({"time": time.time(), "frame": number, "results": objects}).encode()

    def answer(self, number: int, objects: Said) -> None:
        """Keep an answer."""
        self._answers[number % RING] = objects

    def done(self, number: int) -> None:
        """The broker has acknowledged what was published of a frame."""
        taken_ns = self._taken.pop(number, None)
        if taken_ns is not None:
            self._latencies_ns.append(time.monotonic_ns() - taken_ns)

    def count(self, lasted_ns: int) -> None:
        """Something that is neither taken nor published."""
        self._latencies_ns.append(lasted_ns)

    def wait(self) -> None:
        """Wait for the next turn.

        Raises:
            Ended: there is none.
        """
        self.go.wait()
        if self._ended:
            raise Ended

    def fail(self, why: str) -> None:
        """End at once: a thread has failed, and its frames would never be done."""
        for child in self.children:
            os.kill(child, signal.SIGKILL)
        print(json.dumps({"failed": why}), flush=True)
        os._exit(70)

    def work(
        self,
        loops: Iterable[Callable[[], object]],
        packages: Iterable[str],
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        """Run loops that end with Ended while turns are served: the first in this thread, as a program by hand has it.

        Which thread is no detail: glibc keeps memory for the main one in another way than for others.
        """
        first, *others = [partial(self._until_ended, loop) for loop in loops]

        def serve() -> None:
            self.serve(packages)
            self._ended = True
            self.go.set()
            at_end()

        for loop in others:
            threading.Thread(target=loop, daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()
        first()

    def _until_ended(self, loop: Callable[[], object]) -> None:
        try:
            loop()
        except Ended:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the driver is told
            self.fail(f"{type(error).__name__}: {error}")

    def serve(self, packages: Iterable[str], describe: Callable[[Said], Said] = lambda said: said) -> None:
        """Turns until stdin ends; `packages`: those whose versions matter; `describe` answers that were kept."""
        print(json.dumps({"versions": {name: version(name) for name in packages}, "pid": os.getpid()}), flush=True)
        for line in sys.stdin:
            figures = self._turn(float(json.loads(line)["seconds"]))
            answers = {place: describe(said) for place, said in sorted(self._answers.items())}
            print(json.dumps(figures | {"answers": answers}), flush=True)

    def _turn(self, seconds: float) -> dict[str, Any]:
        begun = len(self._latencies_ns)
        warm_at = time.monotonic() + WARM_S
        self.go.set()
        self._wait(lambda: time.monotonic() >= warm_at and len(self._latencies_ns) > begun, "no frame was done")
        before, cpu, started = len(self._latencies_ns), self._cpu_s(), time.perf_counter()
        time.sleep(seconds)
        after, lasted, cpu = len(self._latencies_ns), time.perf_counter() - started, self._cpu_s() - cpu
        self.go.clear()
        dropped = self._settle()
        spread = np.array(self._latencies_ns[before:after] or [0]) / 1e6
        del self._latencies_ns[:]
        return {
            "frames": after - before,
            "seconds": lasted,
            "dropped": dropped,
            "cpu_seconds": cpu,
            **{f"p{share}_ms": float(np.percentile(spread, share)) for share in (50, 95, 99)},
        }

    def _settle(self) -> int:
        """Wait for what is under way; returns how many frames of a camera were left out for newer ones."""
        if not self.given.fps:
            self._wait(lambda: not self._taken, "frames were never acknowledged")
        else:
            at = time.monotonic() + SETTLED_S
            self._wait(lambda: not self._taken or time.monotonic() > at, "")
        dropped = len(self._taken)
        self._taken.clear()
        return dropped

    def _wait(self, is_so: Any, otherwise: str) -> None:
        deadline = time.monotonic() + LATE_S
        while not is_so():
            if time.monotonic() > deadline:
                self.fail(otherwise)
            time.sleep(0.005)

    def _cpu_s(self) -> float:
        """Of this process and its children, the broker's not among them."""
        ticks = 0
        for child in self.children:
            numbers = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(map(int, numbers[11:13]))  # utime, stime: proc(5)
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")
