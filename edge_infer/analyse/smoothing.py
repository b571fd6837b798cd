"""Scores of classes that flicker, made steady."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from edge_infer.analyse.episodes import Sight
from edge_infer.analyse.settings import SmoothSettings

# How sure a single result can make us: classifiers are surer than they are right. With it a change is believed after
# two or three results in a row. Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017
SURE = 0.95
FORGOTTEN = 0.01  # a class that was believed less, and is not seen, is one of all the others again
ROUNDING = 0.01  # five scores of a softmax, each rounded to 1/256, sum up to at most so much more than 1
OTHERS = ""


class Mean:
    """Of the last results; a class that one of them does not list counts as 0 there."""

    def __init__(self, results: int) -> None:
        self._results = results
        self._last: deque[Mapping[str, Sight]] = deque(maxlen=results)

    def __call__(self, seen: Mapping[str, Sight], _at_s: float) -> dict[str, Sight]:
        """Each class of the last results with its mean score."""
        self._last.append(seen)
        newest = {key: sight for result in self._last for key, sight in result.items()}
        return {key: replace(sight, score=self._mean(key)) for key, sight in newest.items()}

    def _mean(self, key: str) -> float:
        return sum(result[key].score for result in self._last if key in result) / self._results


class Belief:
    """How probably each class is there, after all results until now: a filter over a chain with two or more states.

    `stay` is the probability that a class which is there is still there a second later, whatever the rate of the
    results. Classes are exclusive (one of them, or none of those seen) until scores sum up to more than 1; from then on
    each is there or not for itself.

    Source: the forward algorithm; Rabiner, A Tutorial on Hidden Markov Models, Proc. IEEE 77(2), 1989, III.
    """

    def __init__(self, stay: float, *, exclusive: bool | None = None) -> None:
        self._stay = stay
        self._exclusive = exclusive
        self._at_s: float | None = None
        self._beliefs: dict[str, float] = {}
        self._sights: dict[str, Sight] = {}

    def __call__(self, seen: Mapping[str, Sight], at_s: float) -> dict[str, Sight]:
        """Each class with its belief as score; those that are hardly believed and not seen are left out."""
        passed_s = 0.0 if self._at_s is None else at_s - self._at_s
        self._at_s = at_s
        if self._exclusive is None and sum(sight.score for sight in seen.values()) > 1.0 + ROUNDING:
            self._exclusive = False
            self._beliefs.pop(OTHERS, None)
        self._sights |= seen
        update = self._each if self._exclusive is False else self._one
        self._beliefs = update({key: sight.score for key, sight in seen.items()}, passed_s)
        self._sights = {key: sight for key, sight in self._sights.items() if key in self._beliefs}
        return {key: replace(sight, score=self._beliefs[key]) for key, sight in self._sights.items()}

    def _each(self, scores: Mapping[str, float], passed_s: float) -> dict[str, float]:
        stay = _staying(self._stay, 2, passed_s)
        found = {}
        for key in {**self._beliefs, **scores}:
            before = self._beliefs.get(key, 1.0 - self._stay)
            before = before * stay + (1.0 - before) * (1.0 - stay)
            likely = _unsure(scores.get(key, 0.0))
            belief = before * likely / (before * likely + (1.0 - before) * (1.0 - likely))
            if key in scores or belief >= FORGOTTEN:
                found[key] = belief
        return found

    def _one(self, scores: Mapping[str, float], passed_s: float) -> dict[str, float]:
        states = {OTHERS: 1.0, **dict.fromkeys(scores, 0.0), **self._beliefs}
        stay = _staying(self._stay, len(states), passed_s)
        move = (1.0 - stay) / (len(states) - 1) if len(states) > 1 else 0.0
        seen = {OTHERS: max(0.0, 1.0 - sum(scores.values())), **scores}  # the others share what is left
        weights = {
            key: (belief * stay + (1.0 - belief) * move) * _unsure(seen.get(key, 0.0)) for key, belief in states.items()
        }
        whole = sum(weights.values())
        kept = {key: w / whole for key, w in weights.items() if key in scores or w / whole >= FORGOTTEN}
        return kept | {OTHERS: 1.0 - sum(belief for key, belief in kept.items() if key != OTHERS)}


def make_smoothing(settings: SmoothSettings) -> Mean | Belief:
    """As the settings want it."""
    if settings.mean is not None:
        return Mean(settings.mean)
    return Belief(settings.stay or 0.0, exclusive=settings.exclusive)


def _staying(stay: float, states: int, seconds: float) -> float:
    """The probability to be in the same of `states` after so long, of a chain that moves to any other one alike."""
    even = 1.0 / states
    decay = max(0.0, (stay - even) / (1.0 - even)) if states > 1 else 1.0
    return even + (1.0 - even) * math.pow(decay, seconds)


def _unsure(score: float) -> float:
    return min(SURE, max(1.0 - SURE, score))
