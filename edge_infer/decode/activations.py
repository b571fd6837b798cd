"""From logits to scores in 0..1, and back."""

import math

import numpy as np

from edge_infer.types import Array

LARGEST_LOGIT = 80.0  # exp overflows float32 at 88.7, and the score is 0 or 1 long before
# Rounding of a float32 score (6e-8 beside 1) is worth 2e-4 of a logit of 8, and ever more beyond: there the scores
# themselves decide.
SURE_LOGIT, SLACK = 8.0, 1e-3


def sigmoid(logits: Array) -> Array:
    """Each score on its own: 1 / (1 + exp(-x)), NaN where x is."""
    scores: Array = 1.0 / (1.0 + np.exp(-np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)))
    return scores


def softmax(logits: Array) -> Array:
    """Scores along the last axis, which sum to 1."""
    with np.errstate(invalid="ignore"):  # inf - inf: NaN, which is no score
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores: Array = powers / powers.sum(axis=-1, keepdims=True)
    return scores


def logit(score: float) -> float:
    """The logit whose sigmoid is a score; +-80, where float32 knows no difference any more, for 1 and 0."""
    if score <= 0.0:
        return -LARGEST_LOGIT
    return LARGEST_LOGIT if score >= 1.0 else math.log(score / (1.0 - score))


def surely_less(score: float) -> float:
    """A logit below which no `sigmoid` is >= a score, however that is rounded: what is less need not be computed."""
    exact = logit(score)
    return -math.inf if exact <= -LARGEST_LOGIT else min(SURE_LOGIT, exact) - SLACK
