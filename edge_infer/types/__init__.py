"""The types that travel between rooms: frames, geometry, tensors, predictions, results.

Conventions: images are `(height, width, 3) uint8` BGR as OpenCV gives them; sizes are `(width, height)`;
boxes are `xyxy float32` in captured-frame pixels.
"""

from edge_infer.types.arrays import Array, Size, TensorSpec
from edge_infer.types.frames import Frame, Geometry
from edge_infer.types.predictions import (
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
    "Array",
    "Category",
    "Classes",
    "Detection",
    "Detections",
    "Embedding",
    "Frame",
    "Geometry",
    "Keypoint",
    "Keypoints",
    "Mask",
    "Measurement",
    "Measurements",
    "ModelId",
    "Prediction",
    "Region",
    "Result",
    "Size",
    "Status",
    "TensorSpec",
    "Tensors",
]
