"""Two real scenes: the paths of people in TUD-Campus and TUD-Stadtmitte, as the package motmetrics brings them.

What a detector would say of them is made up as for the others. They are shown at 25, 8 and 3 frames per second.
Source: Andriluka, Roth, Schiele, People-Tracking-by-Detection and People-Detection-by-Tracking, 2008.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench_tracking.scenes import Detector, Scene, Setting, table
from edge_infer.types import Array

FPS = 25
SIZE = 640, 480


def real_scenes(package: Path, seed: int) -> Iterator[Scene]:
    """Each place at each rate."""
    for place in ("TUD-Campus", "TUD-Stadtmitte"):
        text = package / "motmetrics" / "data" / place / "gt.txt"
        people = np.loadtxt(text, delimiter=",")[:, :6]  # frame, id, x, y, width, height
        people[:, 4:] += people[:, 2:4]
        for every in (1, 3, 8):
            yield _scene(f"{place} {FPS / every:.0f} fps", people, every, np.random.default_rng([seed, every]))


def _scene(name: str, people: Array, every: int, random: np.random.Generator) -> Scene:
    fps = FPS / every
    detector = Detector(Setting(fps=fps, missed=0.15, jitter=0.05, alarms=0.2), random, SIZE)
    numbers = np.arange(1, people[:, 0].max() + 1, every)
    truth, found = [], []
    for frame, number in enumerate(numbers):
        here = people[people[:, 0] == number]
        here = here[np.argsort(-here[:, 5])]  # whose feet are lowest is nearest
        there, seen = detector(here[:, 1].astype(int).tolist(), list(here[:, 2:]), frame / fps)
        truth += [(frame, *row) for row in there]
        found += [(frame, *row) for row in seen]
    return Scene(name, np.arange(len(numbers)) / fps, table(truth), table(found), fps)
