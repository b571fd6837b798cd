"""Scenes whose truth is known: people and vehicles on a street, and what a detector would say of each frame.

All objects stand on the ground in front of one camera: who is further down is nearer, larger, and hides others. A
detector misses more of what is hidden, in runs of frames, suppresses one of two boxes that overlap, and sees ghosts.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edge_infer.types import Array

WIDTH, HEIGHT = 1280, 720
HORIZON = 0.3 * HEIGHT
STEP_S = 1 / 120  # of the simulation
REPORTED = 0.2  # lowest score that a detector reports
SUPPRESSED = 0.6  # IoU above which it keeps the better of two boxes
MISSED_S = 0.25  # that a miss lasts

Row: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What happens in a scene, and how badly it is seen."""

    walkers: float = 0.0  # that come, per second
    vehicles: float = 0.0
    standing: int = 0  # that are there from the beginning to the end
    crossing: bool = False  # walkers come from both sides at the same depth
    pauses: bool = True  # walkers stop at times
    seconds: float = 20.0
    fps: float = 10.0
    dropped: float = 0.0  # share of frames that never arrive
    varying: bool = False  # from a third of the rate to three times the rate
    missed: float = 0.1  # share of sightings
    jitter: float = 0.04  # of each side of a box, as a share of the box
    alarms: float = 0.1  # false ones per frame
    ghosts: int = 0  # places at which there are false alarms again and again
    shake: float = 0.0  # px


SETTINGS = {
    "yard": Setting(walkers=0.3, standing=1),
    "crossings": Setting(walkers=0.8, crossing=True, pauses=False, fps=15),
    "flicker": Setting(walkers=0.3, standing=1, missed=0.4),
    "false alarms": Setting(walkers=0.3, standing=1, alarms=2.0, ghosts=3, missed=0.2),
    "jitter": Setting(walkers=0.4, standing=2, jitter=0.1),
    "street": Setting(walkers=0.3, vehicles=0.5, fps=15),
    "street 5 fps": Setting(walkers=0.3, vehicles=0.5, fps=5),
    "2 fps": Setting(walkers=0.3, fps=2, seconds=60),
    "varying fps": Setting(walkers=0.8, vehicles=0.3, varying=True, dropped=0.2, seconds=30),
    "shake": Setting(walkers=0.4, standing=2, shake=12.0, fps=15),
    "crowd": Setting(walkers=1.5, standing=8, missed=0.2, fps=15),
    "standing": Setting(standing=6, walkers=0.1, missed=0.3, seconds=60, fps=5),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """Frames with what is there and what was detected.

    Attributes:
        at_s: `(frames,)`
        truth: `(n, 6)`: frame, id, x0, y0, x1, y1
        found: `(m, 6)`: frame, x0, y0, x1, y1, score; rows of a frame are together
        fps: usual rate, for trackers that count frames
    """

    name: str
    at_s: Array
    truth: Array
    found: Array
    fps: float


class Body:
    """One walker, or vehicle: where it stands, how tall it is, and where it wants to go."""

    def __init__(self, number: int, setting: Setting, vehicle: bool, random: np.random.Generator) -> None:
        self.number, self.vehicle, self.random = number, vehicle, random
        self.depth = random.uniform(0.15, 1.0) if not setting.crossing else random.uniform(0.6, 0.65)
        self.side = random.choice([-1, 1])
        self.x = -0.1 * WIDTH if self.side > 0 else 1.1 * WIDTH
        self.tall = random.uniform(0.9, 1.1) * (0.8 if vehicle else 1.0)
        self.wide = random.uniform(1.8, 2.4) if vehicle else random.uniform(0.36, 0.46)
        self.pace = random.uniform(3.0, 6.0) if vehicle else random.uniform(0.5, 1.2)  # heights a second
        self.speed = np.array([self.side * self.pace, 0.0])
        self.drift = 0.0 if vehicle or setting.crossing else random.normal(0, 0.06)  # of its depth, a second
        self.pauses = setting.pauses and not vehicle
        self.walking, self.stays = True, False
        self.gait = random.uniform(0, 2 * math.pi)

    @classmethod
    def standing(cls, number: int, setting: Setting, random: np.random.Generator) -> "Body":
        """One that stays where it is."""
        body = cls(number, setting, False, random)
        body.x, body.walking, body.stays, body.speed = random.uniform(0.1, 0.9) * WIDTH, False, True, np.zeros(2)
        return body

    @property
    def height(self) -> float:
        """On the picture, px."""
        return self.tall * HEIGHT * (0.08 + 0.42 * self.depth)

    def step(self) -> None:
        """Go on for a moment."""
        if self.pauses and not self.stays and self.random.random() < STEP_S / (6.0 if self.walking else 3.0):
            self.walking = not self.walking
        wanted = np.array([self.side * self.pace, self.drift]) if self.walking else np.zeros(2)
        self.speed += (wanted - self.speed) * STEP_S / 0.4 + self.random.normal(0, 0.25, 2) * (
            1,
            0.05,
        ) * STEP_S**0.5 * (not self.stays)
        self.x += self.speed[0] * self.height * STEP_S
        self.depth = float(np.clip(self.depth + self.speed[1] * STEP_S, 0.1, 1.1))
        self.gait += 2 * math.pi * 1.8 * STEP_S * self.walking

    def box(self) -> tuple[float, float, float, float]:
        """On the picture, which it may be outside of."""
        foot = HORIZON + (HEIGHT - HORIZON) * (0.05 + 0.95 * self.depth)
        half = self.wide * self.height * (1.0 if self.vehicle else 1 + 0.12 * math.sin(self.gait)) / 2
        return self.x - half, foot - self.height, self.x + half, foot

    def is_gone(self) -> bool:
        """Whether it has left on the other side."""
        return self.x * self.side > (1.15 * WIDTH if self.side > 0 else 0.15 * WIDTH)


def make_scene(name: str, seed: int) -> Scene:
    """The scene of this name; the same for the same seed."""
    setting = SETTINGS[name]
    random = np.random.default_rng([seed, *name.encode()])
    bodies = [Body.standing(number, setting, random) for number in range(1, setting.standing + 1)]
    count, detector = len(bodies), Detector(setting, random)
    times, truth, found = [], [], []
    next_s, period = 0.0, 1 / setting.fps
    for tick in range(round(setting.seconds / STEP_S)):
        for rate, vehicle in ((setting.walkers, False), (setting.vehicles, True)):
            if random.random() < rate * STEP_S:
                count += 1
                bodies.append(Body(count, setting, vehicle, random))
        for body in bodies:
            body.step()
        bodies = [body for body in bodies if not body.is_gone()]
        at_s = tick * STEP_S
        if at_s < next_s:
            continue
        next_s += period * (3 ** random.uniform(-1, 1) if setting.varying else 1)
        if random.random() < setting.dropped:
            continue
        bodies.sort(key=lambda body: -body.depth)
        offset = detector.shaken(at_s)
        boxes = [np.array(body.box()) + offset for body in bodies]
        there, seen = detector([body.number for body in bodies], boxes, at_s)
        truth += [(len(times), *row) for row in there]
        found += [(len(times), *row) for row in seen]
        times.append(at_s)
    return Scene(name, np.array(times), table(truth), table(found), setting.fps)


def table(rows: list[Row]) -> Array:
    """`(n, 6)`, of no rows, too."""
    return np.array(rows, float).reshape(-1, 6)


class Detector:
    """What is there, and what is seen of it."""

    def __init__(self, setting: Setting, random: np.random.Generator, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
        self.setting, self.random, self.size = setting, random, np.array(size)
        self.ghosts = [self.ghost() for _ in range(setting.ghosts)]
        self.last_s, self.push = 0.0, np.zeros(2)
        self.clearness: dict[int, float] = {}  # of each object, in its scores
        self.unseen: dict[int, bool] = {}

    def __call__(self, ids: list[int], boxes: list[Array], at_s: float) -> tuple[list[Row], list[Row]]:
        """Rows id, box of what is there, and rows box, score of what is seen; of objects, the nearest first."""
        setting, random = self.setting, self.random
        turn = 1 - math.exp(-max(at_s - self.last_s, STEP_S) / MISSED_S)
        self.last_s = at_s
        there, seen = [], []
        for place, (number, box) in enumerate(zip(ids, boxes, strict=True)):
            clipped = self.clip(box)
            if area(clipped) < 0.3 * area(box):
                continue
            there.append((float(number), *clipped))
            covered = max((common(box, nearer) / area(box) for nearer in boxes[:place]), default=0.0)
            if random.random() < turn:
                self.unseen[number] = random.random() < setting.missed
            if self.unseen.get(number) or random.random() > np.interp(1 - covered, (0.25, 0.7), (0.0, 1.0)):
                continue
            clearness = self.clearness.setdefault(number, random.normal(0.0, 0.06))
            score = random.normal(0.78 - 0.35 * covered, 0.1) + clearness
            sides = np.tile(clipped[2:] - clipped[:2], 2)
            near = self.clip(clipped + random.normal(0, setting.jitter * (1 + covered), 4) * sides)
            seen.append((*near, float(np.clip(score, 0.0, 0.99))))
        return there, suppressed(seen + self.false_alarms())

    def false_alarms(self) -> list[Row]:
        """Rows box, score."""
        random = self.random
        boxes = [self.ghost() for _ in range(random.poisson(self.setting.alarms))]
        boxes += [self.clip(ghost + random.normal(0, 3, 4)) for ghost in self.ghosts if random.random() < 0.3]
        return [(*box, float(np.clip(random.normal(0.38, 0.12), 0.0, 0.99))) for box in boxes]

    def ghost(self) -> Array:
        """A box anywhere."""
        width, height = self.size
        x, y = self.random.uniform(0, width), self.random.uniform(0.3 * height, height)
        tall = height * self.random.uniform(0.08, 0.4)
        return self.clip(np.array([x - 0.2 * tall, y - tall, x + 0.2 * tall, y]))

    def clip(self, box: Array) -> Array:
        """The part of a box that is on the picture, at least a pixel wide and high."""
        low = np.clip(box[:2], 0, self.size - 1)
        return np.concatenate([low, np.maximum(np.minimum(box[2:], self.size), low + 1)])

    def shaken(self, at_s: float) -> Array:
        """By how much the camera looks aside: wind on its pole, and a push now and then."""
        if not self.setting.shake:
            return np.zeros(4)
        if self.random.random() < 0.03:
            self.push = self.random.normal(0, 2 * self.setting.shake, 2)
        sway = self.setting.shake * np.array(
            [math.sin(2 * math.pi * 1.3 * at_s), 0.5 * math.sin(2 * math.pi * 1.9 * at_s)]
        )
        return np.tile(sway + self.push, 2)


def area(box: Array) -> float:
    """Of a box, px²."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def common(one: Array, other: Array) -> float:
    """Area that two boxes share, px²."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return float(max(width, 0.0) * max(height, 0.0))


def suppressed(rows: list[Row]) -> list[Row]:
    """What is left where the better of two boxes is kept."""
    kept: list[Row] = []
    for row in sorted((row for row in rows if row[4] >= REPORTED), key=lambda row: -row[4]):
        box = np.array(row[:4])
        shared = ((np.array(other[:4]), common(box, np.array(other[:4]))) for other in kept)
        if all(both <= SUPPRESSED * (area(box) + area(other) - both) for other, both in shared):
            kept.append(row)
    return kept
