"""Expected points of one body, hand or face: those of which the model is sure lie where they should."""

import numpy as np

from edge_infer.golden.boxes import SURE_POINT, far_points
from edge_infer.golden.comparison import Arrays, Comparison, Limits, texts, within, words
from edge_infer.types import Array, Keypoints


def record(prediction: Keypoints) -> dict[str, Array]:
    """`points (k, 2)`, `scores (k,)`, names."""
    arrays = {"points": prediction.points, "scores": prediction.scores, "names": texts(prediction.names)}
    return arrays | ({"score": np.float32(prediction.score).reshape(1)} if prediction.score is not None else {})


def restore(arrays: Arrays) -> Keypoints:
    """The points that `record` has kept."""
    score = float(arrays["score"][0]) if "score" in arrays else None
    return Keypoints(arrays["points"], arrays["scores"], words(arrays, "names", len(arrays["scores"])), score)


def differences(found: Keypoints, expected: Keypoints, limits: Limits) -> list[str]:
    """By distance and by the mean of the scores: single scores of a quantised model differ by up to 0.3."""
    if found.names != expected.names:
        return [f"{len(found)} keypoints ({', '.join(found.names[:3])}...), {len(expected)} expected"]
    limit = limits.golden.max_distance * _side(expected, limits)
    problems = far_points(found.points, expected.points, expected.scores, expected.names, limit)
    scores = {"mean score": (found.scores.mean(), expected.scores.mean())} if len(expected) else {}
    if expected.score is not None:
        scores["score"] = (np.nan if found.score is None else found.score, expected.score)
    return problems + [
        f"{what} {mine:.2f}, {theirs:.2f} expected"
        for what, (mine, theirs) in scores.items()
        if not within(float(mine) - float(theirs), limits.golden.score_tolerance)
    ]


def _side(expected: Keypoints, limits: Limits) -> float:
    """The longer side of what the sure points span, px; of the picture where they span nothing."""
    sure = expected.points[expected.scores >= SURE_POINT]
    side = float(np.ptp(sure, axis=0).max()) if len(sure) else 0.0
    return side if side >= 1 else float(max(limits.size))


KEYPOINTS = Comparison(
    prediction=Keypoints,
    noun="keypoints",
    record=record,
    restore=restore,
    differences=differences,
    proves=lambda expected, _limits: bool((expected.scores >= SURE_POINT).any()),
)
