"""What one result shows, thing by thing."""

from collections.abc import Collection

import numpy as np

from edge_infer.analyse.answers import answer_about
from edge_infer.analyse.episodes import Sight
from edge_infer.types import Anomaly, Category, Classes, Detection, Detections, Embedding, Keypoints, Mask, Result

ANOMALY = "anomaly"


class Followed:
    """The objects that a tracker follows, by track; each under the label that most of what was seen of it says."""

    def __init__(self) -> None:
        self._votes: dict[int, dict[tuple[str, int], float]] = {}

    def __call__(self, detections: Detections) -> dict[int, Sight]:
        """Those that are there."""
        seen = {}
        for one in detections:
            if one.track_id is not None:
                votes = self._votes.setdefault(one.track_id, {})
                name = name_of(one), one.class_id
                votes[name] = votes.get(name, 0.0) + one.score
                label, class_id = max(votes, key=votes.__getitem__)
                seen[one.track_id] = Sight(label, one.score, class_id, one.box, one.track_id, answer=answer_about(one))
        return seen

    def keep(self, tracks: Collection[int]) -> None:
        """Forget all but these."""
        self._votes = {track: votes for track, votes in self._votes.items() if track in tracks}


def by_label(detections: Detections) -> dict[str, Sight]:
    """The best object of each label."""
    found: dict[str, Sight] = {}
    for one in detections:
        best = found.get(name_of(one))
        if best is None or one.score > best.score:
            answer = answer_about(one)
            found[name_of(one)] = Sight(name_of(one), one.score, one.class_id, one.box, answer=answer)
    return found


def classes_of(result: Result) -> dict[str, Sight] | None:
    """The classes of a picture, sound or series, by label; None where the prediction has none.

    Of segmentation the share of the picture that each covers, of keypoints whether a body, hand or face is there (the
    mean of its points where the model does not say), of an embedding what it resembles.
    """
    match result.prediction:
        case Classes() as classes:
            return _classes(classes)
        case Embedding(nearest=Classes() as nearest):
            return _classes(nearest)
        case Mask() as mask:
            whole = max(1, mask.class_map.size)
            return {one.label: Sight(one.label, one.pixels / whole, one.class_id) for one in mask}
        case Keypoints() as points if len(points):
            score = float(np.mean(points.scores)) if points.score is None else points.score
            return {result.task: Sight(result.task, score)}
    return None


def anomaly_of(anomaly: Anomaly) -> dict[str, Sight]:
    """The anomaly; thresholds are compared with its parts of its own threshold."""
    level = anomaly.score / anomaly.threshold if anomaly.threshold > 0.0 else float(anomaly.is_anomaly)
    return {ANOMALY: Sight(ANOMALY, anomaly.score, level=level)}


def name_of(one: Category | Detection) -> str:
    """Its label, or its number where the model has no labels."""
    return one.label or str(one.class_id)


def _classes(classes: Classes) -> dict[str, Sight]:
    labels = [f"{one.head}: {name_of(one)}" if one.head else name_of(one) for one in classes]
    return {label: Sight(label, one.score, one.class_id) for label, one in zip(labels, classes, strict=True)}
