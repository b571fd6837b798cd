"""A bundle's golden test: known pictures, and what the model must say about them."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from edge_infer.bundle.bundle import Bundle
from edge_infer.decode.nms import iou
from edge_infer.errors import ModelError
from edge_infer.model import Model
from edge_infer.types import Array, Detections


def golden_problems(bundle: Bundle, model: Model) -> list[str] | None:
    """What differs from the expectations; empty if nothing does, None if the bundle brings none.

    The file holds for each picture i: `frame_i (h, w, 3) uint8 BGR`, `boxes_i (n, 4)`, `scores_i (n,)`,
    `class_ids_i (n,)`. Runtimes and processors differ a little, so boxes are compared by overlap.

    Raises:
        ModelError: the file is damaged.
    """
    golden = bundle.golden
    if golden is None:
        return None
    problems = []
    for i, (frame, *expected) in enumerate(_pictures(golden.file)):
        found = model(frame).prediction
        problems += [
            f"picture {i}: {problem}"
            for problem in _differences(found, expected, golden.min_iou, golden.score_tolerance)
        ]
    return problems


def _pictures(path: Path) -> list[list[Array]]:
    """Frame, boxes, scores and class ids of each picture; at least one."""
    pictures = []
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for i in range(max(1, sum(name.startswith("frame_") for name in arrays))):
                picture = [arrays[f"{name}_{i}"] for name in ("frame", "boxes", "scores", "class_ids")]
                count = len(picture[2])
                if [part.shape for part in picture[1:]] != [(count, 4), (count,), (count,)]:
                    raise ValueError(f"picture {i}: boxes, scores and class ids do not belong together")
                pictures.append(picture)
    except (KeyError, ValueError, TypeError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise ModelError(f"the golden test {path} is damaged ({error}): copy the bundle again") from error
    return pictures


def _differences(found: object, expected: list[Array], min_iou: float, score_tolerance: float) -> list[str]:
    boxes, scores, class_ids = expected
    if not isinstance(found, Detections):
        return ["the model gives no detections"]
    if len(found) != len(boxes):
        return [f"{len(found)} objects found, {len(boxes)} expected"]
    problems = []
    for box, score, class_id in zip(boxes, scores, class_ids, strict=True):
        overlaps = iou(box, found.boxes) * (found.class_ids == class_id)
        best = int(overlaps.argmax())
        if overlaps[best] < min_iou:
            problems.append(f"no object where class {class_id} is expected (overlap {overlaps[best]:.2f})")
        elif abs(float(found.scores[best]) - float(score)) > score_tolerance:
            problems.append(f"score {found.scores[best]:.2f}, {score:.2f} expected")
    return problems
