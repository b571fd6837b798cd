"""A bearing: which statistics find a fault first, how often they are wrong, and what it costs."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

from bench_anomaly.bearing import RATE_HZ, vibration
from bench_anomaly.figures import area
from edge_infer.tools.fit_anomaly.learning import int8_scores, outcome
from edge_infer.tools.fit_anomaly.views import Features, Look, SampleView
from edge_infer.types import Array, Frame, Span

Score: TypeAlias = Callable[[Array], Array]

SEVERITIES = (0.05, 0.1, 0.15, 0.2, 0.4)
MACHINES = {"one speed": (25.0,), "three speeds": (15.0, 25.0, 35.0)}
CHUNK_S = 10
FAULTY_S = 300
BLOCK = 10  # windows of 1 s; the load wanders from second to second
LEARNED_MIN = (5, 10, 30)
RECORDINGS = 8
SPAN = Span(0, RATE_HZ, RATE_HZ, ("x",), ("g",))


def rows(view: SampleView, seconds: int, speeds: tuple[float, ...], severity: float, seed: int) -> Array:
    """What the view keeps of so many windows of 1 s; the speed changes every 10 s."""
    rng = np.random.default_rng(seed)
    found = []
    for chunk in tqdm(range(seconds // CHUNK_S), desc="vibration", delay=2, disable=None, leave=False):
        data = vibration(CHUNK_S, rng, speeds[chunk % len(speeds)], severity)
        found += [view(Frame("bench", 0, part, 0.0, 0, span=SPAN)) for part in np.split(data, CHUNK_S)]
    return np.stack(found).astype(np.float32)


def statistics(features: Features, learned: int) -> Iterator[tuple[str, Score]]:
    """What else could tell how unusual features are."""
    mean = features.values[:learned].mean(axis=0)
    away = (features.values[:learned] - mean) / features.scale
    _, sizes, directions = np.linalg.svd(away, full_matrices=False)
    variances = sizes**2 / learned
    shares = np.cumsum(variances) / variances.sum()

    def after(score: Callable[[Array, Array], Array], by: Array) -> Score:
        return lambda values: score((values - mean) / features.scale, by)

    for share in (0.5, 0.95):
        kept = directions[: int(np.searchsorted(shares, share)) + 1]
        yield f"autoencoder (PCA residual, {share:.0%})", after(_residual, kept)
    for ridge in (0.01, 0.1, 0.3):
        yield f"Mahalanobis, ridge {ridge:g}", after(_length, directions / np.sqrt(variances + ridge)[:, np.newaxis])
    yield "nearest neighbour", after(_nearest, away)


def _residual(away: Array, kept: Array) -> Array:
    return np.asarray(np.mean((away - away @ kept.T @ kept) ** 2, axis=1))


def _length(away: Array, whitening: Array) -> Array:
    return np.asarray(np.mean((away @ whitening.T) ** 2, axis=1))


def _nearest(away: Array, known: Array) -> Array:
    return np.array([np.min(np.mean((row - known) ** 2, axis=1)) for row in away])


def compare() -> None:
    """Which statistics find which faults, learned from 5 minutes."""
    print(f"AUROC of windows of 1 s, 95 % interval (bootstrap over blocks of {BLOCK} s), by the height of a hit")
    print("| machine | score | " + " | ".join(f"{severity:g}" for severity in SEVERITIES) + " |")
    print("| --- | --- |" + " --- |" * len(SEVERITIES))
    for machine, speeds in MACHINES.items():
        view = SampleView(SPAN, Look())
        recorded = rows(view, 600, speeds, 0.0, seed=1)
        faulty = [rows(view, FAULTY_S, speeds, severity, seed=2) for severity in SEVERITIES]
        learned = len(recorded) // 2
        features = view.features(recorded, learned)
        others = [view.features(np.concatenate([recorded, rows]), learned).values[len(recorded) :] for rows in faulty]
        scores = dict(statistics(features, learned))
        one = outcome(features, 1.0, 24.0, quantised=True)
        scores["as it ships: ridge 0.1, int8"] = partial(int8_scores, one.learned, one.ranges)
        for name, score in scores.items():
            found = [area(score(features.values[learned:]), score(other), BLOCK) for other in others]
            print(f"| {machine} | {name} | " + " | ".join(map(str, found)) + " |")


def alarms(hours: float) -> None:
    """False alarms on hours that were not learned from, and faults that are found, by how long was recorded."""
    print(f"\nfalse alarms in {hours:g} h that were held out, and windows of 1 s with a fault that are found: means of")
    print(f"{RECORDINGS} recordings (least to most)")
    print("| machine | recorded | wanted | false alarms | " + " | ".join(map(str, SEVERITIES)) + " |")
    print("| --- | --- | --- | --- |" + " --- |" * len(SEVERITIES))
    for machine, speeds in MACHINES.items():
        view = SampleView(SPAN, Look())
        held_out = rows(view, round(hours * 3600), speeds, 0.0, seed=4)
        faulty = np.concatenate([rows(view, FAULTY_S, speeds, severity, seed=5) for severity in SEVERITIES])
        recorded = [rows(view, 60 * max(LEARNED_MIN), speeds, 0.0, seed=100 + i) for i in range(RECORDINGS)]
        for minutes in LEARNED_MIN:
            for per_day in (24.0, 1.0):
                found = [_reached(view, part[: 60 * minutes], per_day, held_out, faulty) for part in recorded]
                wrong = [int(normal.sum()) for normal, _ in found]
                right = np.mean([np.split(unusual, len(SEVERITIES)) for _, unusual in found], axis=(0, 2))
                wanted = f"{per_day:g} a day: {per_day / 24 * hours:.3g}"
                print(
                    f"| {machine} | {minutes} min | {wanted} | {np.mean(wrong):.1f} ({min(wrong)}-{max(wrong)}) | "
                    + " | ".join(f"{share:.0%}" for share in right)
                    + " |"
                )


def _reached(view: SampleView, part: Array, per_day: float, held_out: Array, faulty: Array) -> tuple[Array, Array]:
    """Which held-out and which faulty windows reach the threshold that is learned from a recording."""
    everything = view.features(np.concatenate([part, held_out, faulty]), len(part) // 2)
    mine = Features(everything.values[: len(part)], everything.scale, everything.prepare)
    one = outcome(mine, 1.0, per_day, quantised=True)
    reached = int8_scores(one.learned, one.ranges, everything.values[len(part) :]) >= one.threshold.score
    return reached[: len(held_out)], reached[len(held_out) :]


def cost() -> None:
    """How long it takes to learn, and to judge a window."""
    view = SampleView(SPAN, Look())
    recorded = rows(view, 600, (25.0,), 0.0, seed=1)
    started = time.perf_counter()
    features = view.features(recorded, 300)
    one = outcome(features, 1.0, 24.0, quantised=True)
    learned_s = time.perf_counter() - started
    values = np.tile(features.values, (10, 1))
    whitening = one.learned.whitening()
    frame = Frame("bench", 0, vibration(1, np.random.default_rng(0)), 0.0, 0, span=SPAN)

    def timed(act: Callable[[], object], count: int) -> float:
        best = []
        for _ in range(5):
            begun = time.perf_counter()
            act()
            best.append((time.perf_counter() - begun) / count * 1e6)
        return min(best)

    def by_hand() -> None:
        for row in values:
            float(np.mean((whitening @ ((row - one.learned.mean) / one.learned.scale)) ** 2))

    print(f"\nlearning from 600 windows takes {learned_s:.2f} s")
    print(f"a window of {RATE_HZ} samples: features {timed(lambda: view(frame), 1):.0f} us", end="")
    print(f", int8 model {timed(lambda: int8_scores(one.learned, one.ranges, values), len(values)):.1f} us", end="")
    print(f", the same in numpy {timed(by_hand, len(values)):.1f} us")
