"""Outputs as exporters of YOLO models lay them out, for boxes that a test names; written from their documentation.

A box is `(class id, score, x0, y0, x1, y1)` in pixels of the input.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tflite_writer import write_answers

from edge_infer.types import Array

Box = tuple[int, float, float, float, float, float]
STRIDES = (8, 16, 32)


def cells(size: tuple[int, int], strides: Sequence[int] = STRIDES) -> list[tuple[int, int, int]]:
    """(column, row, stride) of every cell, as all the heads order them."""
    return [(x, y, s) for s in strides for y in range(size[1] // s) for x in range(size[0] // s)]


def cell_of(box: Box, size: tuple[int, int]) -> int:
    """The cell under the middle of the box, of the stride that fits its size."""
    _, _, x0, y0, x1, y1 = box
    stride = next((s for s in STRIDES if max(x1 - x0, y1 - y0) <= 8 * s), STRIDES[-1])
    x, y = int((x0 + x1) / 2 / stride), int((y0 + y1) / 2 / stride)
    return cells(size).index((x, y, stride))


def center(box: Box, size: tuple[int, int], *, ratio: bool = True) -> list[float]:
    _, _, x0, y0, x1, y1 = box
    w, h = size if ratio else (1, 1)
    return [(x0 + x1) / 2 / w, (y0 + y1) / 2 / h, (x1 - x0) / w, (y1 - y0) / h]


def plain(
    boxes: Sequence[Box], classes: int, size: tuple[int, int], *, extras: int = 0, objectness: bool = False, ratio=True
) -> Array:
    """(4 [+ 1] + classes + extras, cells): what Ultralytics' Detect head gives, and YOLOv5's with its three anchors."""
    anchors = 3 if objectness else 1
    first = 5 if objectness else 4
    out = np.zeros((first + classes + extras, len(cells(size)) * anchors), np.float32)
    out[0], out[1] = np.tile(np.array([[(x + 0.5) * s, (y + 0.5) * s] for x, y, s in cells(size)]).T, anchors)
    out[:2] /= np.array([size]).T if ratio else 1
    out[2:4] = 0.05 if ratio else 20
    for box in boxes:
        at = cell_of(box, size)
        out[:4, at] = center(box, size, ratio=ratio)
        if objectness:
            out[4, at] = math.sqrt(box[1])
        out[first + box[0], at] = math.sqrt(box[1]) if objectness else box[1]
    return out


def distances(box: Box, cell: tuple[int, int, int]) -> list[float]:
    """64 logits: of each side the two bins around its distance share it."""
    x, y, s = cell
    _, _, x0, y0, x1, y1 = box
    sides = [x + 0.5 - x0 / s, y + 0.5 - y0 / s, x1 / s - x - 0.5, y1 / s - y - 0.5]
    logits = []
    for side in sides:
        low = int(side)
        share = max(side - low, 1e-6)
        bins = [-12.0] * 16
        bins[low], bins[low + 1] = math.log(1 - share), math.log(share)
        logits += bins
    return logits


def quantised(values: Array, dtype: Any = np.int8, scale: float | None = None) -> tuple[Array, tuple[float, int]]:
    """Stored values with one scale for all, as converters choose it: from the smallest to the largest value."""
    limits = np.iinfo(dtype)
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = scale or (high - low) / (limits.max - limits.min)
    zero = round(limits.min - low / scale)
    return np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(dtype), (scale, zero)


def metadata(task: str, labels: Sequence[str], **more: Any) -> dict[str, str]:
    """What Ultralytics adds to a .tflite file."""
    said = {
        "description": "Ultralytics YOLO model",
        "author": "Ultralytics",
        "task": task,
        "batch": 1,
        "names": {str(i): label for i, label in enumerate(labels)},
    }
    return {"metadata.json": json.dumps(said | more)}


def write(path: Path, outputs: dict[str, Array], *, store: Any = None, **parts: Any) -> Path:
    """A model with these real outputs; with `store` an integer type they are stored in it."""
    if store is None:
        return write_answers(path, outputs, **parts)
    stored = {name: quantised(value, store) for name, value in outputs.items()}
    zero = int(np.iinfo(store).min)
    return write_answers(
        path,
        {name: value for name, (value, _) in stored.items()},
        output_scales={name: scales for name, (_, scales) in stored.items()},
        dtype=np.dtype(store).name,
        scale=1 / 255,
        zero_point=zero,
        **parts,
    )
