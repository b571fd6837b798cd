"""A bundle's golden test: known pictures, and what the model must say about them."""

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
    import numpy as np

    golden = bundle.golden
    if golden is None:
        return None
    problems = []
    try:
        with np.load(golden.file, allow_pickle=False) as arrays:
            for i in range(sum(name.startswith("frame_") for name in arrays)):
                found = model(arrays[f"frame_{i}"]).prediction
                expected = [arrays[f"{name}_{i}"] for name in ("boxes", "scores", "class_ids")]
                problems += [
                    f"picture {i}: {problem}"
                    for problem in _differences(found, expected, golden.min_iou, golden.score_tolerance)
                ]
    except (KeyError, ValueError, OSError) as error:
        raise ModelError(f"the golden test {golden.file} is damaged: {error}") from error
    return problems


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
