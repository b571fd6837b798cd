"""What MediaPipe adds to TFLite metadata: how the raw outputs of a detector are decoded, and a segmenter's activation.

Source: object_detector_metadata_schema.fbs and image_segmenter_metadata_schema.fbs of MediaPipe 0.10.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edge_infer.bundle.flatbuffer import Flatbuffer
from edge_infer.bundle.metadata import Metadata
from edge_infer.types import Array

DETECTOR = "DETECTOR_METADATA"
SEGMENTER = "SEGMENTER_METADATA"
_ACTIVATIONS = ("none", "sigmoid", "softmax")


@dataclass(frozen=True, eq=False)
class DetectorDecoding:
    """How boxes are made of raw numbers.

    Attributes:
        anchors: `(n, 4) float32` y, x of the centre, height, width as a share of the input
        scales: what y, x, height, width are divided by
        exponential: height and width are logarithms
        sigmoid: scores are logits
    """

    anchors: Array
    scales: tuple[float, float, float, float]
    exponential: bool
    sigmoid: bool


def detector_decoding(metadata: Metadata | None) -> DetectorDecoding | None:
    """What the metadata says of a detector without NMS; None where it says nothing, or not all.

    Raises:
        ModelError: it is damaged.
    """
    return _decoding(metadata.custom[DETECTOR]) if metadata and DETECTOR in metadata.custom else None


@lru_cache(maxsize=2)  # 19206 anchors take 0.1 s, and are asked for whenever a model is looked at
def _decoding(data: bytes) -> DetectorDecoding | None:
    root = Flatbuffer(data, f"{DETECTOR} in the model's metadata").root()
    options, decoding = root.table(1), root.table(2)
    fixed = options.table(0) if options else None
    if fixed is None or decoding is None:
        return None
    anchors = [tuple(anchor.real(field) for field in (1, 0, 3, 2)) for anchor in fixed.tables(0)]
    scales = tuple(decoding.real(field) for field in (7, 6, 9, 8))
    if not anchors or 0.0 in scales or decoding.integer(2) != 4:
        return None
    return DetectorDecoding(
        np.array(anchors, np.float32),
        (scales[0], scales[1], scales[2], scales[3]),
        exponential=bool(decoding.integer(10, "B")),
        sigmoid=bool(decoding.integer(11, "B")),
    )


def segmenter_activation(metadata: Metadata | None) -> str | None:
    """none, sigmoid or softmax: what is left to be done with a segmenter's outputs; None where it is not said."""
    if metadata is None or SEGMENTER not in metadata.custom:
        return None
    number = Flatbuffer(metadata.custom[SEGMENTER], f"{SEGMENTER} in the model's metadata").root().integer(0, "B")
    return _ACTIVATIONS[number] if number < len(_ACTIVATIONS) else None
