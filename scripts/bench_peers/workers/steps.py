"""One step alone, again and again, for those that have it: what they share.

`letterbox`: a frame of 640x480 becomes RGB of 320x320, uint8. `decode`: the int8 output of a YOLO detector of 80
classes becomes objects in pixels; the model of `Given` is the file with that output.
"""

import time
from collections.abc import Callable
from typing import Any

from bench_peers.workers.turns import RING, Given, Turns

LETTERBOXED = 320  # pixels of a side
SIDE, CLASSES = 640, 80  # of the detector
IOU = 0.7  # Source: the default of Ultralytics' `predict`
GREY = 114  # around a picture. Source: Ultralytics' LetterBox


def repeat(given: Given, step: Callable[[Any], int], items: list[Any], packages: list[str]) -> None:
    """Serve turns of a step, which returns how many results it found, on each item in turn."""
    turns = Turns(given)

    def run() -> None:
        number = -1
        while True:
            number += 1
            if not turns.go.is_set():
                turns.wait()
            started = time.monotonic_ns()
            results = step(items[number % len(items)])
            turns.count(time.monotonic_ns() - started)
            turns.answer(number % RING, [{"label": "", "score": 1.0}] * results)

    turns.work([run], packages)
