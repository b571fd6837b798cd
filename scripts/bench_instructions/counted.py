"""What valgrind runs: frames through model, decoder and publisher in one thread, each stage between two toggles.

    python -m bench_instructions.counted MARKS.so FRAMES MODEL PICTURE EXTRA

Collections of garbage are off and the clock stands still, so that each run does the same. The runtime is asked before:
its outputs are given back as copies, as it gives them. EXTRA is how many arrays each decoding adds up needlessly.
"""

import ctypes
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import edge_infer as ei
from edge_infer.sources.images import read_image
from edge_infer.types import Array, Frame, Result

WARM = 60  # frames before: Python specialises its bytecode, and the libraries fill their caches
STAGES = ("nothing", "prepare", "decode", "publish")  # `nothing` is what the toggles themselves cost
# Between which points of a frame's way each of the others lies.
BETWEEN = {"prepare": ("begun", "prepared"), "decode": ("asked", "decoded"), "publish": ("decoded", "published")}


class Counter:
    """Toggles where the stage that is counted begins and ends."""

    def __init__(self, marks: ctypes.CDLL) -> None:
        self.marks = marks
        self._at: frozenset[str] = frozenset()

    def reached(self, point: str) -> None:
        """A stage ends, and the next begins."""
        if point in self._at:
            self.marks.toggle()

    def count(self, stage: str, frames: Sequence[Frame], act: Callable[[Frame], object]) -> None:
        """Do it for all frames, and write down what the stage took."""
        self._at = frozenset(BETWEEN.get(stage, ()))
        for frame in frames:
            if stage == "nothing":
                self.marks.toggle()
                self.marks.toggle()
            else:
                act(frame)
        self.marks.dump(stage.encode())


class Recorded:
    """In the place of a runtime's `run`: what it said of the first input, without its kernels."""

    def __init__(self, run: Callable[..., list[Any]], counter: Counter) -> None:
        self._run = run
        self._counter = counter
        self._said: list[Any] | None = None
        self.runs = 0

    def __call__(self, inputs: Sequence[Array], *reductions: Any) -> list[Any]:
        self._counter.reached("prepared")
        self._said = self._said or self._run(inputs, *reductions)
        self.runs += 1
        outputs = [np.copy(output) for output in self._said]
        self._counter.reached("asked")
        return outputs


def main(library: str, count: str, path: str, picture: str, extra: str) -> None:
    """Run the stages."""
    time.monotonic = repeat(time.monotonic()).__next__  # what goes out once a second does not go out by chance
    cv2.setNumThreads(1)
    counter = Counter(ctypes.CDLL(library))
    data = cv2.resize(read_image(Path(picture)), (640, 480))
    with ei.load(path, device="cpu", threads=1) as model, tempfile.TemporaryDirectory() as folder:
        recorded = Recorded(model.runtime.run, counter)
        model.runtime.run = recorded  # type: ignore[method-assign]
        publisher = ei.MqttPublisher("mqtt://127.0.0.1", device="counted", state_dir=Path(folder))

        def act(frame: Frame) -> Result:
            counter.reached("begun")
            result = model.predict(frame)
            for _ in range(int(extra)):
                np.add(data[:16], data[:16])
            counter.reached("decoded")
            publisher.publish(result, "door")
            counter.reached("published")
            return result

        frames = [Frame("door", number, data, 1.8e9 + number / 30, time.monotonic_ns()) for number in range(int(count))]
        seen = [act(frame) for frame in (frames * WARM)[:WARM]]
        if recorded.runs != WARM:
            raise SystemExit("Model.predict no longer calls Runtime.run once a frame: bench_instructions must follow")
        print(path, getattr(seen[-1].prediction, "scores", seen[-1].prediction))
        gc.collect()
        gc.disable()
        counter.marks.begin()
        for stage in STAGES:
            counter.count(stage, frames, act)
        publisher.close(0.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
