"""Small classifiers as pycoral's ImprintingEngine takes them: L2_NORMALIZATION, the last layer, MUL, RESHAPE, SOFTMAX.

They look at 2x2 pixels, whose values are the embedding, and have two classes: more blue than red, and the opposite.
"""

from pathlib import Path
from typing import Any

import numpy as np
from tflite_writer import (
    CONV_2D,
    CUSTOM,
    FULLY_CONNECTED,
    L2_NORMALIZATION,
    MUL,
    RESHAPE,
    SOFTMAX,
    Graph,
    Op,
    Tensor,
    archive,
    model_bytes,
)

DIMENSIONS = 12
FACTOR = 10.0
STEP = 0.1  # of the factor, where it is quantised


def rows() -> np.ndarray[Any, np.dtype[np.float32]]:
    """The weights of the two classes, of length 1."""
    blue, red = np.float32([-1, 0, 1]), np.float32([1, 0, -1])
    return np.stack([np.tile(blue, 4), np.tile(red, 4)]) / np.sqrt(np.float32(8))


def write_l2_classifier(
    path: Path,
    *,
    layer: int = CONV_2D,
    dtype: str = "uint8",
    bias: bool = True,
    compiled: bool = False,
    labels: str = "",
) -> Path:
    """uint8 as pycoral's models are, int8 with a scale for each class, or float32; `compiled` up to the embedding."""
    flat = layer == FULLY_CONNECTED
    shape = (1, DIMENSIONS) if flat else (1, 1, 1, DIMENSIONS)
    out = (1, 2) if flat else (1, 1, 1, 2)
    zero = {"uint8": 128, "int8": 0, "float32": 0}[dtype]
    quantised = dtype != "float32"

    def tensor(name: str, shape: tuple[int, ...], scale: Any, data: Any = None, kind: str = dtype) -> Tensor:
        return Tensor(name, shape, kind, data, scale if quantised else None, zero if kind == dtype else 0)

    step = [1 / 127, 1 / 100] if dtype == "int8" else [1 / 127] * 2
    weights = rows() / np.array(step)[:, None] + zero if quantised else rows()
    scale = step if dtype == "int8" else step[0]
    factor = round(FACTOR / STEP) + zero if quantised else FACTOR
    tensors = [
        tensor("image", (1, 2, 2, 3), 1 / 128),
        tensor("flat", shape, 1 / 128),
        Tensor("flat_shape", (len(shape),), "int32", shape),
        tensor("normal", shape, 1 / 128),
        tensor("weights", (2, *shape[1:]), scale, np.round(weights).astype(dtype) if quantised else weights),
        tensor("bias", (2,), np.array(scale) / 128, np.zeros(2), "int32" if quantised else dtype),
        tensor("cosines", out, 1 / 128),
        tensor("factor", (1,), STEP, np.array([factor])),
        tensor("scaled", out, FACTOR / 128),
        tensor("logits", (1, 2), FACTOR / 128),
        Tensor("logits_shape", (2,), "int32", (1, 2)),
        Tensor("probabilities", (1, 2), dtype, None, 1 / 256 if quantised else None, -128 if dtype == "int8" else 0),
    ]
    ops = [
        Op(CUSTOM, ["image"], ["flat"], "edgetpu-custom-op")
        if compiled
        else Op(RESHAPE, ["image", "flat_shape"], ["flat"]),
        Op(L2_NORMALIZATION, ["flat"], ["normal"]),
        Op(layer, ["normal", "weights", "bias"] if bias else ["normal", "weights"], ["cosines"]),
        Op(MUL, ["cosines", "factor"], ["scaled"]),
        Op(RESHAPE, ["scaled", "logits_shape"], ["logits"]),
        Op(SOFTMAX, ["logits"], ["probabilities"]),
    ]
    graph = Graph(tensors, ["image"], ["probabilities"], ops, signature={"output_0": "probabilities"})
    path.write_bytes(model_bytes(graph) + archive({"labels.txt": labels} if labels else {}))
    return path
