"""What is learned from the first part of a recording, and what the rest shows of it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_infer.bundle.model_file import read_model
from edge_infer.errors import InputError
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.tools.fit_anomaly.graph import Ranges, ranges_of, scorer
from edge_infer.tools.fit_anomaly.normal import Learned, learn
from edge_infer.tools.fit_anomaly.threshold import Threshold, alarm_rate, threshold_for
from edge_infer.tools.fit_anomaly.views import Features
from edge_infer.types import Array

# In this order, not at random: neighbours resemble each other, and what was learned must hold for what comes later.
LEARN, CALIBRATE = 0.5, 0.3  # shares; the threshold is found on the second, false alarms are counted on the rest
LEAST = 100  # frames or windows: of 30 the threshold is found


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of it.

    Attributes:
        learned: what is normal
        ranges: of the int8 values in the model file
        threshold: of the score
        counts: of frames or windows: learned from, for the threshold, for the check
        seconds: from one to the next
        alarms: scores of the check that reach the threshold
        rate: between how many alarms a day lie, by these
        scores: of all that was not learned from
    """

    learned: Learned
    ranges: Ranges
    threshold: Threshold
    counts: tuple[int, int, int]
    seconds: float
    alarms: int
    rate: tuple[float, float]
    scores: Array


def split(count: int) -> tuple[int, int, int]:
    """How many of so many frames or windows are for what.

    Raises:
        InputError: they are too few.
    """
    if count < LEAST:
        raise InputError(f"{count} frames or windows were recorded, at least {LEAST} are needed: record for longer")
    learned, calibrate = round(LEARN * count), round(CALIBRATE * count)
    return learned, calibrate, count - learned - calibrate


def outcome(features: Features, seconds: float, per_day: float, *, quantised: bool) -> Outcome:
    """What features that were taken every so many seconds tell; `quantised`: the score is that of an int8 model.

    Raises:
        InputError: they are too few, or the last of them are all alike.
    """
    values, counts = features.values, split(len(features.values))
    first, second, third = counts
    learned = learn(values[:first], features.scale)
    exact = exact_scores(learned, values[first:]) if quantised else compact_scores(learned, values[first:])
    if not np.isfinite(exact).all():
        raise InputError("the recording holds values that are no numbers: see what the sensor gives")
    if np.ptp(exact) == 0:
        raise InputError("the last part of the recording never changes: see that the source is not frozen")
    rough = threshold_for(exact[:second], seconds * second, per_day)
    ranges = ranges_of(learned, values[: first + second], rough.score)
    scores = int8_scores(learned, ranges, values[first:]) if quantised else exact
    threshold = threshold_for(scores[:second], seconds * second, per_day)
    alarms = int(np.count_nonzero(scores[second:] >= threshold.score))
    return Outcome(learned, ranges, threshold, counts, seconds, alarms, alarm_rate(alarms, seconds * third), scores)


def exact_scores(learned: Learned, values: Array) -> Array:
    """`(n,) float64`: of features `(n, d)`, without rounding."""
    scores: Array = np.mean((learned.away(values) @ learned.whitening().T) ** 2, axis=1)
    return scores


def compact_scores(learned: Learned, values: Array) -> Array:
    """`(n,) float64`: of features `(n, d)`, as the decoder of embeddings gives them."""
    normal = learned.compact()
    return np.array([normal.score(row) for row in values])


def int8_scores(learned: Learned, ranges: Ranges, values: Array) -> Array:
    """`(n,) float64`: of features `(n, d)`, as the model file gives them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scorer.tflite")
        path.write_bytes(scorer(learned, ranges))
        runtime = InterpreterRuntime(read_model(path))
        try:
            rows = values.astype(np.float32)[:, np.newaxis]
            return np.array([float(runtime.run([row])[0][0]) for row in rows])
        finally:
            runtime.close()
