"""All kinds of comparisons, by the names that a manifest gives them."""

from typing import Any

from edge_infer.golden.anomaly import ANOMALY
from edge_infer.golden.boxes import BOXES
from edge_infer.golden.classes import CLASSES
from edge_infer.golden.comparison import Comparison
from edge_infer.golden.keypoints import KEYPOINTS
from edge_infer.golden.mask import MASK
from edge_infer.golden.numbers import EMBEDDING, MEASUREMENTS, TENSORS

COMPARISONS: dict[str, Comparison[Any]] = {
    "boxes": BOXES,
    "classes": CLASSES,
    "mask": MASK,
    "keypoints": KEYPOINTS,
    "embedding": EMBEDDING,
    "measurements": MEASUREMENTS,
    "anomaly": ANOMALY,
    "tensors": TENSORS,
}
