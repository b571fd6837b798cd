"""The types that travel between rooms: frames, geometry, tensors, predictions, results.

Conventions: images are `(height, width, 3) uint8` BGR as OpenCV gives them; sizes are `(width, height)`;
boxes are `xyxy float32` in captured-frame pixels.
"""

from edge_infer.types.arrays import Array, Size, TensorSpec
from edge_infer.types.events import Event, EventKind, Phase
from edge_infer.types.frames import Frame, Geometry, Span, Wanted
from edge_infer.types.predictions import (
    Anomaly,
    Category,
    Classes,
    Detection,
    Detections,
    Embedding,
    Keypoint,
    Keypoints,
    Mask,
    Measurement,
    Measurements,
    Prediction,
    Region,
    Tensors,
)
from edge_infer.types.results import ModelId, Result, Status

__all__ = [
    "Anomaly",
    "Array",
    "Category",
    "Classes",
    "Detection",
    "Detections",
    "Embedding",
    "Event",
    "EventKind",
    "Frame",
    "Geometry",
    "Keypoint",
    "Keypoints",
    "Mask",
    "Measurement",
    "Measurements",
    "ModelId",
    "Phase",
    "Prediction",
    "Region",
    "Result",
    "Size",
    "Span",
    "Status",
    "TensorSpec",
    "Tensors",
    "Wanted",
]
