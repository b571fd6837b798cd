"""The expected class of each pixel: most pixels agree, and so does each class that covers much."""

import numpy as np

from edge_infer.golden.comparison import Arrays, Comparison, Limits, other_labels, texts, words
from edge_infer.types import Array, Mask

# What covers less is mostly edge: of a chair that covers 1.6 % of a picture, the two runtimes share 69 % of the pixels,
# of what covers 17 % they share 96 %.
MUCH = 0.05


def record(prediction: Mask) -> dict[str, Array]:
    """`class_map (height, width)`, labels."""
    return {"class_map": prediction.class_map, "labels": texts(prediction.labels)}


def restore(arrays: Arrays) -> Mask:
    """The mask that `record` has kept."""
    class_map = arrays["class_map"]
    if class_map.ndim != 2 or class_map.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a class map is (height, width) uint8 or uint16, not {class_map.shape} {class_map.dtype}")
    return Mask(class_map, words(arrays, "labels", 0))


def differences(found: Mask, expected: Mask, limits: Limits) -> list[str]:
    """By pixels, and by the overlap of each class."""
    mine, theirs = found.class_map, expected.class_map
    if mine.shape != theirs.shape:
        return [f"the mask has shape {mine.shape}, {theirs.shape} expected"]
    problems = []
    agreement = float(np.mean(mine == theirs))
    if agreement < limits.golden.min_agreement:
        problems.append(f"{agreement:.1%} of the pixels are of the expected class")
    for class_id in _classes(expected):
        a, b = mine == class_id, theirs == class_id
        overlap = np.count_nonzero(a & b) / np.count_nonzero(a | b)
        if overlap < limits.golden.min_iou:
            problems.append(f"class {class_id} overlaps what is expected by {overlap:.2f} only")
    pairs = [(i, dict(enumerate(found.labels)).get(i, ""), label) for i, label in enumerate(expected.labels)]
    return problems + other_labels(pairs)


def _classes(mask: Mask) -> list[int]:
    """Those that cover much of the picture."""
    pixels = np.bincount(mask.class_map.reshape(-1))
    return np.flatnonzero(pixels >= MUCH * mask.class_map.size).tolist()


MASK = Comparison(
    prediction=Mask,
    noun="mask",
    record=record,
    restore=restore,
    differences=differences,
    proves=lambda expected, _limits: len(_classes(expected)) > 1,
)
