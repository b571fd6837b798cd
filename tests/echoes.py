"""Small models whose answers are their pictures, one of each kind of prediction: what is done to a picture shows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tflite_writer import ADD, RESHAPE, SOFTMAX, Graph, Op, Tensor, model_bytes

from edge_infer.types import Array


@dataclass(frozen=True)
class Echo:
    """A model: (height, width) of its picture, shape of its output, how it is used."""

    size: tuple[int, int]
    output: tuple[int, ...]
    options: dict[str, Any]
    picture: Array
    last: int = RESHAPE
    labels: tuple[str, ...] = field(default=())

    def write(self, path: Path, add: float = 0.0) -> Path:
        """The file; `add` makes another model of it."""
        tensors = [
            Tensor("image", (1, *self.size, 3)),
            Tensor("more", (1,), data=np.float32([add])),
            Tensor("sum", (1, *self.size, 3)),
            Tensor("shape", (len(self.output),), "int32", self.output),
            Tensor("flat", self.output),
            Tensor("answer", self.output),
        ]
        end = Op(SOFTMAX, ["flat"], ["answer"]) if self.last == SOFTMAX else Op(RESHAPE, ["flat", "shape"], ["answer"])
        ops = [Op(ADD, ["image", "more"], ["sum"]), Op(RESHAPE, ["sum", "shape"], ["flat"]), end]
        path.write_bytes(model_bytes(Graph(tensors, ["image"], ["answer"], ops)))
        return path


def _noise(height: int, width: int) -> Array:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def _squares(height: int, width: int) -> Array:
    """A blue and a green square on red, BGR."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 2] = 200
    picture[height // 8 : height // 2, width // 8 : width // 2] = (220, 0, 20)
    picture[height // 2 :, width // 2 :] = (0, 230, 40)
    return picture


def _body(shape: tuple[int, int] = (68, 40)) -> Array:
    """Bands whose red and green say where MoveNet's seventeen points are (y, x), and whose blue how sure it is."""
    rows = np.linspace(20, 235, 17).astype(np.uint8)
    bands = np.stack([np.full(17, 200), rows[::-1], rows], axis=1).astype(np.uint8)  # BGR: the model reads RGB
    return np.repeat(np.repeat(bands, shape[0] // 17, axis=0)[:, None], shape[1], axis=1)


ZERO_TO_ONE: dict[str, Any] = {"mean": 0.0, "std": 255.0}
LABELS = tuple(f"thing {i}" for i in range(12))
ECHOES = {
    "boxes": Echo((16, 16), (1, 16, 16, 3), {"kind": "fomo", **ZERO_TO_ONE}, _squares(128, 160)),
    "classes": Echo((2, 2), (1, 12), {"kind": "classify", "mean": 0.0, "std": 16.0}, _noise(2, 3), SOFTMAX, LABELS),
    "mask": Echo((32, 32), (1, 32, 32, 3), {"kind": "segment", **ZERO_TO_ONE}, _squares(48, 64)),
    "keypoints": Echo((17, 1), (1, 1, 17, 3), {"kind": "movenet", "resize": "stretch", **ZERO_TO_ONE}, _body()),
    "embedding": Echo((8, 8), (1, 192), {"kind": "embed", "mean": 127.5, "std": 127.5}, _noise(8, 12)),
    "measurements": Echo((2, 2), (1, 12), {"kind": "regress", "mean": 0.0, "std": 2.0}, _noise(2, 3)),
    "tensors": Echo((8, 8), (1, 192), {"kind": "tensors", **ZERO_TO_ONE}, _noise(8, 12)),
}
