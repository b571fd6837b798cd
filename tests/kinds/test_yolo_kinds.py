"""By what YOLO models are recognised, and what is not taken for one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_infer.bundle.exports import read_export
from edge_infer.bundle.model_file import ModelFile
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues
from edge_infer.kinds.registry import built_in
from edge_infer.types import TensorSpec

FLOAT = np.dtype(np.float32)
BOXES, SCORES, WEIGHTS, PROTOTYPES = (1, 4, 8400), (1, 80, 8400), (1, 32, 8400), (1, 160, 160, 32)
V5 = {"meta.txt": b"{'stride': 32, 'names': ['a', 'b']}"}


def model(
    shapes: list[tuple[int, ...]], size: tuple[int, int] = (640, 640), *, first: bool = False, **parts: Any
) -> Any:
    image = TensorSpec("image", (1, 3, size[1], size[0]) if first else (1, size[1], size[0], 3), FLOAT)
    outputs = tuple(TensorSpec(f"out{i}", shape, FLOAT) for i, shape in enumerate(shapes))
    last = ("CONCATENATION",) * len(outputs)
    return ModelFile(Path("m"), 0, "", (image,), outputs, last, frozenset(), last, {}, {}, parts, modified_ns=0)


def kind_of(file: ModelFile) -> str | None:
    clues = Clues(file, None, read_export(file))
    found = [kind.name for kind in built_in() if "yolo" in kind.name and kind.recognise(clues)]
    assert len(found) <= 1
    return found[0] if found else None


def said(task: str, count: int, **more: Any) -> dict[str, bytes]:
    return {"metadata.json": json.dumps({"task": task, "names": [f"c{i}" for i in range(count)], **more}).encode()}


KNOWN: list[tuple[str, ModelFile, str]] = [
    ("v8 at 640", model([(1, 84, 8400)]), "yolo"),
    ("v8 at 320", model([(1, 84, 2100)], (320, 320)), "yolo"),
    ("v8 of one class, not square", model([(1, 5, 4620)], (640, 352)), "yolo"),
    ("v8 of PyTorch's own converter", model([(1, 84, 8400)], first=True), "yolo"),
    ("v8 with a stride of 64", model([(1, 84, 34000)], (1280, 1280)), "yolo"),
    ("v8 with a stride of 4", model([(1, 84, 34000)]), "yolo"),
    ("v8 transposed, of COCO", model([(1, 8400, 84)]), "yolo"),
    ("v8 transposed, with names", model([(1, 8400, 7)], **said("detect", 3)), "yolo"),
    ("v5 at 640", model([(1, 25200, 85)]), "yolo"),
    ("v5 at 320 of one class", model([(1, 6300, 6)], (320, 320)), "yolo"),
    ("v10", model([(1, 300, 6)]), "yolo"),
    ("v10 with fewer results", model([(1, 100, 6)]), "yolo"),
    ("boxes and scores", model([(1, 4, 8400), (1, 80, 8400)]), "yolo"),
    ("scores and boxes", model([(1, 8400, 80), (1, 8400, 4)]), "yolo"),
    ("Qualcomm's", model([(1, 8400, 4), (1, 8400), (1, 8400)]), "yolo"),
    ("Frigate's", model([(1, 2100, 80), (1, 2100, 64)], (320, 320)), "yolo"),
    ("Frigate's with sums", model([(1, 2100, 1), (1, 2100, 64), (1, 2100, 17)], (320, 320)), "yolo"),
    ("levels", model([(1, s, s, c) for s in (80, 40, 20) for c in (64, 80)]), "yolo"),
    ("levels with sums", model([(1, s, s, c) for s in (80, 40, 20) for c in (64, 80, 1)]), "yolo"),
    ("levels, channels first", model([(1, c, s, s) for s in (80, 40, 20) for c in (64, 3)]), "yolo"),
    ("levels in one each", model([(1, s, s, 144) for s in (20, 40, 80)]), "yolo"),
    ("levels in rows", model([(1, s * s, c) for s in (80, 40, 20) for c in (64, 80)]), "yolo"),
    ("levels of 256 in columns", model([(1, c, s * s) for s in (32, 16, 8) for c in (64, 80)], (256, 256)), "yolo"),
    ("v8 masks", model([(1, 116, 8400), (1, 160, 160, 32)]), "yolo-segment"),
    ("v8 masks, prototypes first", model([(1, 160, 160, 32), (1, 116, 8400)]), "yolo-segment"),
    ("v8 masks of PyTorch's own converter", model([(1, 116, 8400), (1, 32, 160, 160)], first=True), "yolo-segment"),
    ("v5 masks", model([(1, 25200, 117), (1, 32, 160, 160)]), "yolo-segment"),
    ("finished masks", model([(1, 300, 38), (1, 160, 160, 32)]), "yolo-segment"),
    ("boxes, scores and coefficients", model([BOXES, SCORES, WEIGHTS, PROTOTYPES]), "yolo-segment"),
    ("finished keypoints", model([(1, 300, 57)]), "yolo-pose"),
    ("v8 keypoints with names", model([(1, 56, 8400)], **said("pose", 1, kpt_shape=[17, 3])), "yolo-pose"),
    ("52 classes with names", model([(1, 56, 8400)], **said("detect", 52)), "yolo"),
    ("turned", model([(1, 20, 21504)], (1024, 1024), **said("obb", 15)), "yolo-obb"),
    ("semantic", model([(1, 640, 640, 19)], **said("semantic", 19)), "yolo-semantic"),
    ("semantic, PyTorch's converter", model([(1, 19, 640, 640)], first=True, **said("semantic", 19)), "yolo-semantic"),
    ("semantic, ids", model([(1, 640, 640)], **said("semantic", 19)), "yolo-semantic"),
    ("v8 classes", model([(1, 1000)], (224, 224), **said("classify", 1000)), "yolo-classify"),
    ("v5 classes", model([(1, 2)], (224, 224), **V5), "yolov5-classify"),
    ("v5 with names", model([(1, 25200, 7)], **V5), "yolo"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "kind"), [row[1:] for row in KNOWN], ids=[row[0] for row in KNOWN])
def test_exports_are_recognised(file: ModelFile, kind: str) -> None:
    assert kind_of(file) == kind


UNKNOWN: list[tuple[str, ModelFile]] = [
    ("keypoints or 52 classes", model([(1, 56, 8400)])),
    ("YOLOX or YOLOv6", model([(1, 8400, 85)])),
    ("YOLOX of one class", model([(1, 8400, 6)])),
    ("NanoDet", model([(1, 2125, 112)], (320, 320))),
    ("SSD", model([(1, 1917, 4), (1, 1917, 91)], (300, 300))),
    ("another number of cells", model([(1, 84, 8401)])),
    ("cells of another size", model([(1, 84, 8400)], (320, 320))),
    ("BlazeFace", model([(1, 896, 16), (1, 896, 1)], (128, 128))),
    ("faces by levels", model([(1, s, s, c) for s in (80, 40, 20) for c in (1, 4, 10)])),
    ("an embedding", model([(1, 128)], (160, 160))),
    ("a map of classes", model([(1, 513, 513, 21)], (513, 513))),
    ("a few rows of six numbers", model([(1, 10, 6)])),
    ("a semantic map of another size, either order", model([(1, 19, 80, 80)], **said("semantic", 19))),
    ("heads of two anchors' levels", model([(1, 13, 13, 255), (1, 26, 26, 255)], (416, 416))),
]


@pytest.mark.parametrize("file", [row[1] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_what_is_not_certain_is_left_to_the_user(file: ModelFile) -> None:
    assert kind_of(file) is None


def test_what_the_exporter_has_written_is_read() -> None:
    text = (
        "{'task': 'pose', 'names': {0: 'hand'}, 'imgsz': [96, 128], 'kpt_shape': [2, 3], 'kpt_names': {0: ['a', 'b']}}"
    )
    export = read_export(model([], **{"temp_meta.txt": text.encode()}))
    assert export is not None
    assert (export.task, export.labels, export.size) == ("pose", ("hand",), (128, 96))
    assert (export.keypoints, export.keypoint_names) == ((2, 3), ("a", "b"))


@pytest.mark.parametrize("text", ['{"names": ["a"]}', "[1, 2]", '{"task": 3}', "a note", ""])
def test_files_of_other_tools_are_let_be(text: str) -> None:
    assert read_export(model([], **{"metadata.json": text.encode()})) is None


@pytest.mark.parametrize("text", ["{'task': ", "{'task': open('x')}", "{" + "(" * 5000, "{\xff"])
def test_damaged_metadata_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(ModelError, match=r"'temp_meta.txt' in m cannot be read .*: export the model again"):
        read_export(model([], **{"temp_meta.txt": text.encode("latin-1")}))
