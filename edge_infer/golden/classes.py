"""Expected classes: the same is the best, and the scores are about the same."""

import numpy as np

from edge_infer.golden.comparison import Arrays, Comparison, Limits, other_labels, texts, within, words
from edge_infer.types import Array, Category, Classes


def record(prediction: Classes) -> dict[str, Array]:
    """`class_ids (n,)`, `scores (n,)`, labels, and heads where there are several."""
    arrays = {
        "class_ids": prediction.class_ids.astype(np.int32),
        "scores": prediction.scores,
        "labels": texts(prediction.labels),
    }
    return arrays | ({"heads": texts(prediction.heads)} if prediction.heads else {})


def restore(arrays: Arrays) -> Classes:
    """The classes that `record` has kept."""
    labels = words(arrays, "labels", len(arrays["scores"]))
    return Classes(arrays["class_ids"], arrays["scores"], labels, words(arrays, "heads", 0))


def differences(found: Classes, expected: Classes, limits: Limits) -> list[str]:
    """Each head on its own; a class may have left the list where its score allows that."""
    mine, theirs = _by_head(found), _by_head(expected)
    problems = []
    for head in {**theirs, **mine}:
        here = _of_head(mine.get(head, []), theirs.get(head, []), limits)
        problems += [f"{head}: {problem}" if head else problem for problem in here]
    return problems


def _of_head(found: list[Category], expected: list[Category], limits: Limits) -> list[str]:
    tolerance = limits.golden.score_tolerance
    scores, wanted = ({c.class_id: c.score for c in classes} for classes in (found, expected))
    problems = []
    for class_id, score in wanted.items():
        if class_id not in scores and score > _least(found, expected, limits) + tolerance:
            problems.append(f"class {class_id} is not among the best, score {score:.2f} expected")
        elif class_id in scores and not within(scores[class_id] - score, tolerance):
            problems.append(f"class {class_id} has score {scores[class_id]:.2f}, {score:.2f} expected")
    for class_id, score in scores.items():
        if class_id not in wanted and not score <= _least(expected, found, limits) + tolerance:
            problems.append(f"class {class_id} with score {score:.2f} is not expected")
    clear = expected and expected[0].score - (expected[1].score if len(expected) > 1 else 0.0) > tolerance
    if clear and found and found[0].class_id != expected[0].class_id and not problems:
        problems.append(f"class {found[0].class_id} is the best, {expected[0].class_id} expected")
    labels = {c.class_id: c.label for c in found}
    return problems + other_labels(
        [(c.class_id, labels[c.class_id], c.label) for c in expected if c.class_id in labels]
    )


def _least(listed: list[Category], other: list[Category], limits: Limits) -> float:
    """The highest score that a class can have that is not in the list."""
    full = listed and len(listed) >= len(other)
    return listed[-1].score if full else limits.decode.min_score or 0.0


def _by_head(prediction: Classes) -> dict[str, list[Category]]:
    heads: dict[str, list[Category]] = {}
    for category in prediction:
        heads.setdefault(category.head, []).append(category)
    return heads


CLASSES = Comparison(
    prediction=Classes,
    noun="classes",
    record=record,
    restore=restore,
    differences=differences,
    proves=lambda expected, limits: any(not within(c.score, limits.golden.score_tolerance) for c in expected),
)
