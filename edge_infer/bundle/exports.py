"""What Ultralytics has written into the models that it exports: a file with the classes, the task, the input's size."""

import ast
import json
from dataclasses import dataclass
from typing import Any

from edge_infer.bundle.model_file import ModelFile
from edge_infer.errors import ModelError

# Source: ultralytics/engine/exporter.py: a Python literal up to 8.3, JSON since; YOLOv5's export.py: meta.txt.
NAMES = ("metadata.json", "temp_meta.txt", "meta.txt")


@dataclass(frozen=True)
class Export:
    """What an Ultralytics model says of itself.

    Attributes:
        task: detect, segment, semantic, pose, classify or obb; "" where it does not say (YOLOv5)
        labels: by class id, "" where a class has none
        size: (width, height) of the input
        keypoints: how many points, and numbers for each (2 or 3), of a pose model
        keypoint_names: of these points; empty where it does not say
        end2end: its outputs are free of duplicates already: no suppression is needed
    """

    task: str
    labels: tuple[str, ...]
    size: tuple[int, int] | None
    keypoints: tuple[int, int] | None
    keypoint_names: tuple[str, ...]
    end2end: bool
    description: str
    version: str
    license: str


def read_export(model: ModelFile) -> Export | None:
    """What the exporter has written; None where there is nothing of the kind.

    Raises:
        ModelError: it is there, and cannot be read.
    """
    name = next((name for name in NAMES if name in model.files), None)
    if name is None:
        return None
    text = model.files[name].decode("utf-8", "replace")
    if not text.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(text) if name.endswith(".json") else ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ModelError(f"'{name}' in {model.path} cannot be read ({error}): export the model again") from error
    if not isinstance(said, dict) or not (isinstance(said.get("task"), str) or {"stride", "names"} <= said.keys()):
        return None  # somebody else's file of the same name
    return Export(
        task=str(said.get("task", "")),
        labels=_labels(said.get("names")),
        size=_size(said.get("imgsz")),
        keypoints=_pair(said.get("kpt_shape")),
        keypoint_names=_keypoint_names(said.get("kpt_names")),
        end2end=said.get("end2end") is True or _args(said).get("nms") is True,
        description=str(said.get("description", "")),
        version=str(said.get("version", "")),
        license=str(said.get("license", "")),
    )


def _args(said: dict[str, Any]) -> dict[str, Any]:
    args = said.get("args")
    return args if isinstance(args, dict) else {}


def _labels(names: object) -> tuple[str, ...]:
    """Names are a list, or a dictionary by number; JSON makes strings of the numbers."""
    if isinstance(names, list):
        return tuple(map(str, names))
    if not isinstance(names, dict):
        return ()
    numbered = {int(key): str(label) for key, label in names.items() if str(key).isdecimal() and int(key) < 1_000_000}
    return tuple(numbered.get(class_id, "") for class_id in range(max(numbered, default=-1) + 1))


def _keypoint_names(names: object) -> tuple[str, ...]:
    """Those of the first class, where they are given for each."""
    if isinstance(names, dict):
        names = next(iter(names.values()), ())
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def _size(size: object) -> tuple[int, int] | None:
    """One number, or [height, width]."""
    if isinstance(size, int):
        return size, size
    pair = _pair(size)
    return (pair[1], pair[0]) if pair else None


def _pair(value: object) -> tuple[int, int] | None:
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(number, int) for number in value):
        return value[0], value[1]
    return None
