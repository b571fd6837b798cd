"""Detectors with the post-processing op and without, as exporters leave them, from the file to boxes in the frame."""

import math
from pathlib import Path
from typing import Any

import metadata_writer as written
import numpy as np
import pytest
from cut_models import without_last_operator
from tflite_writer import CUSTOM, Graph, Op, Tensor, archive, model_bytes, write_answers

from edge_infer.decode.anchors import efficientdet_anchors, pyramid_anchors, ssd_anchors
from edge_infer.errors import ModelError
from edge_infer.loading import load
from edge_infer.types import Array

WIDE = np.full((300, 600, 3), 127, np.uint8)
CAT = (120.0, 60.0, 300.0, 240.0)  # x0, y0, x1, y1 in WIDE
DOG = (330.0, 30.0, 570.0, 270.0)
COCO = "\n".join(["cat", "dog", *(f"c{i}" for i in range(88))])


def encoded(
    anchors: Array, boxes: list[tuple[int, tuple[float, ...]]], width: int, height: int, scales: Any
) -> tuple[Array, list[int]]:
    """Raw numbers that make each box, of a picture of this size, out of the anchor that is most like it."""
    raw = np.zeros((len(anchors), 4), np.float32)
    places = []
    for _, (x0, y0, x1, y1) in boxes:
        y, x, h, w = (y0 + y1) / 2 / height, (x0 + x1) / 2 / width, (y1 - y0) / height, (x1 - x0) / width
        place = int(np.abs(anchors - [y, x, h, w]).sum(axis=1).argmin())
        ya, xa, ha, wa = anchors[place]
        numbers = ((y - ya) / ha, (x - xa) / wa, math.log(h / ha), math.log(w / wa))
        raw[place] = [number * scale for number, scale in zip(numbers, scales, strict=True)]
        places.append(place)
    return raw, places


def scored(count: int, columns: int, places: list[int], at: list[int], low: float = 0.0, high: float = 0.9) -> Array:
    scores = np.full((count, columns), low, np.float32)
    scores[places, at] = high
    return scores


def assert_both(path: Path, tolerance: float = 1.0, **options: Any) -> None:
    with load(path, **options) as model:
        result = model(WIDE)
    assert (result.task, result.status) == ("detect", "ok")
    found = {d.label: d.box for d in result}
    assert set(found) == {"cat", "dog"}
    assert found["cat"] == pytest.approx(CAT, abs=tolerance)
    assert found["dog"] == pytest.approx(DOG, abs=tolerance)


BOTH = [(0, CAT), (1, DOG)]
SSD_SCALES = (10.0, 10.0, 5.0, 5.0)


@pytest.mark.parametrize(("side", "count"), [(300, 1917), (320, 2034)])
@pytest.mark.parametrize("flat", [True, False])
def test_a_raw_ssd_is_known_by_its_number_of_boxes(tmp_path: Path, side: int, count: int, flat: bool) -> None:
    anchors = ssd_anchors((side, side))
    raw, places = encoded(anchors, BOTH, 600, 300, SSD_SCALES)
    scores = scored(count, 91, places, [1, 2])  # 0 is the background's
    outputs = {"raw_outputs/box_encodings": raw[None] if flat else raw[None, :, None], "classes": scores[None]}
    path = write_answers(tmp_path / "m.tflite", outputs, size=(side, side), files={"labels.txt": COCO})
    assert_both(path)


def test_quantised_boxes_and_logits_of_a_raw_ssd(tmp_path: Path) -> None:
    raw, places = encoded(ssd_anchors((300, 300)), BOTH, 600, 300, SSD_SCALES)
    scores = scored(1917, 91, places, [1, 2], low=-6.0, high=3.0)
    outputs = {
        "scores": (scores / 0.1 + 20)[None].astype(np.int8),
        "boxes": (raw / 0.05 - 3)[None].round().astype(np.int8),
    }
    path = write_answers(
        tmp_path / "m.tflite",
        outputs,
        size=(300, 300),
        dtype="uint8",
        scale=1 / 128,
        zero_point=128,
        output_scales={"scores": (0.1, 20), "boxes": (0.05, -3)},
        files={"labels.txt": "???\n" + COCO},
    )
    assert_both(path, tolerance=3.0)
    with load(path) as model:
        assert [d.score for d in model(WIDE)] == [pytest.approx(1 / (1 + math.exp(-3)), abs=0.01)] * 2


def test_a_raw_ssd_with_a_feature_pyramid(tmp_path: Path) -> None:
    raw, places = encoded(pyramid_anchors((320, 320)), BOTH, 600, 300, SSD_SCALES)
    outputs = {"boxes": raw[None], "scores": scored(12804, 3, places, [1, 2])[None]}
    path = write_answers(tmp_path / "m.tflite", outputs, size=(320, 320), files={"labels.txt": "cat\ndog"})
    assert_both(path)
    assert_both(path, labels=["background", "cat", "dog"])


def test_a_softmax_over_background_and_classes_can_be_asked_for(tmp_path: Path) -> None:
    raw, places = encoded(ssd_anchors((300, 300)), BOTH, 600, 300, SSD_SCALES)
    scores = scored(1917, 3, places, [1, 2], low=-4.0, high=4.0)
    scores[:, 0] = 0.0
    outputs = {"boxes": raw[None], "scores": scores[None]}
    path = write_answers(tmp_path / "m.tflite", outputs, size=(300, 300), files={"labels.txt": "cat\ndog"})
    with load(path, activation="softmax", min_score=0.9) as model:
        assert [d.score for d in model(WIDE)] == [pytest.approx(math.exp(4) / (math.exp(4) + 1 + math.exp(-4)))] * 2


def test_mediapipes_metadata_brings_the_anchors(tmp_path: Path) -> None:
    anchors = np.float32([[0.5, 0.35, 0.6, 0.3], [0.5, 0.75, 0.7, 0.4], [0.5, 0.74, 0.7, 0.4]])
    raw, places = encoded(anchors, BOTH, 600, 300, (1, 1, 1, 1))
    raw[2] = raw[1]
    scores = scored(3, 2, [*places, 2], [0, 1, 0], high=0.9)
    scores[2, 0] = 0.6  # the dog, once more, as a cat: MediaPipe takes overlapping boxes of any class for one
    rows = anchors[:, [1, 0, 3, 2]]
    metadata = written.metadata(
        inputs=[written.tensor("image", mean=[127.5], std=[127.5])],
        outputs=[written.tensor("location"), written.tensor("score", labels="labels.txt", kind=written.VALUE_LABELS)],
        custom={"DETECTOR_METADATA": written.detector(rows, classes=2)},
    )
    outputs = {"location": raw[None], "score": scores[None]}
    path = write_answers(
        tmp_path / "m.tflite", outputs, size=(320, 320), metadata=metadata, files={"labels.txt": "cat\ndog"}
    )
    assert_both(path)
    with load(path, agnostic=False) as model:
        assert sorted(d.label for d in model(WIDE)) == ["cat", "cat", "dog"]


def efficientdet(path: Path, side: int, scale: float, classes: int, **parts: Any) -> Path:
    """Five outputs of logits and five of boxes; the picture lies at the top of the square input."""
    levels = efficientdet_anchors((side, side), scale)
    raw, places = encoded(np.concatenate(levels), BOTH, 600, 600, (1, 1, 1, 1))
    scores = scored(len(raw), classes, places, [0, 1], low=-8.0, high=2.0)
    outputs: dict[str, Any] = {}
    start = 0
    for level, anchors in enumerate(levels):
        cells = round(math.sqrt(len(anchors) / 9))
        part = slice(start, start + len(anchors))
        outputs[f"class_net/{level}"] = scores[part].reshape(1, cells, cells, 9 * classes)
        outputs[f"box_net/{level}"] = raw[part].reshape(1, cells, cells, 36)
        start += len(anchors)
    order = sorted(outputs, reverse=parts.pop("reverse", False))
    return write_answers(path, {name: outputs[name] for name in order}, size=(side, side), **parts)


@pytest.mark.parametrize(("side", "scale"), [(320, 3.0), (512, 4.0)])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("classes", [4, 90])
def test_a_raw_efficientdet_is_known_by_the_shapes(
    tmp_path: Path, side: int, scale: float, reverse: bool, classes: int
) -> None:
    labels = "\n".join(COCO.split("\n")[:classes])
    path = efficientdet(tmp_path / "m.tflite", side, scale, classes, reverse=reverse, files={"labels.txt": labels})
    assert_both(path)


def postprocessed(path: Path, **files: str) -> Path:
    """Three anchors and the op itself, whose inputs are quantised, as full-integer exports leave them."""
    anchors = np.float32([[0.5, 0.35, 0.6, 0.3], [0.5, 0.75, 0.8, 0.4], [0.1, 0.1, 0.1, 0.1]])
    scores = np.float32([[0, 0.9, 0], [0, 0, 0.9], [0, 0, 0]])
    settings = {
        "max_detections": 10,
        "max_classes_per_detection": 1,
        "num_classes": 2,
        "nms_score_threshold": 0.1,
        "nms_iou_threshold": 0.6,
        "y_scale": 10.0,
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
    }
    outputs = [f"TFLite_Detection_PostProcess{suffix}" for suffix in ("", ":1", ":2", ":3")]
    op = Op(CUSTOM, ["raw", "scores", "anchors"], outputs, "TFLite_Detection_PostProcess", settings)
    tensors = [
        Tensor("image", (1, 320, 320, 3), "uint8", None, 1 / 128, 128),
        Tensor("raw", (1, 3, 4), "uint8", np.full((1, 3, 4), 128), 0.1, 128),
        Tensor("scores", (1, 3, 3), "uint8", (scores * 256).round()[None], 1 / 256, 0),
        Tensor("anchors", (3, 4), "uint8", (anchors / 0.005).round(), 0.005, 0),
        *(Tensor(name, ()) for name in outputs),
    ]
    names = {name.replace("_", "."): text for name, text in files.items()}
    path.write_bytes(model_bytes(Graph(tensors, ["image"], outputs, [op])) + archive(names))
    return path


@pytest.mark.parametrize("labels", ["cat\ndog", "???\ncat\ndog", "background\ncat\ndog\n"])
def test_the_op_with_quantised_inputs_and_labels_with_a_background_or_without(tmp_path: Path, labels: str) -> None:
    assert_both(postprocessed(tmp_path / "m.tflite", labels_txt=labels), tolerance=1.5)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_another_operator_may_have_done_the_post_processing(tmp_path: Path, order: tuple[int, ...]) -> None:
    boxes = [(y0 / 300, x0 / 600, y1 / 300, x1 / 600) for x0, y0, x1, y1 in (CAT, DOG)]
    answers = {
        "a": np.float32([boxes]),
        "b": np.float32([[0, 1]]),
        "c": np.float32([[0.9, 0.8]]),
        "d": np.float32([2]),
    }
    names = [list(answers)[place] for place in order]
    outputs = {name: answers[name] for name in names}
    path = write_answers(tmp_path / "m.tflite", outputs, size=(32, 32), files={"labels.txt": COCO})
    assert_both(path)


@pytest.mark.parametrize(("count", "status", "found"), [(1, "ok", ["cat"]), (2, "error", []), (0, "ok", [])])
def test_what_the_op_leaves_unwritten_is_no_fault_of_the_model(
    tmp_path: Path, count: int, status: str, found: list[str]
) -> None:
    nan = np.nan
    outputs = {
        "boxes": np.float32([[[0, 0, 1, 1], [nan] * 4]]),
        "classes": np.float32([[0, nan]]),
        "scores": np.float32([[0.9, nan]]),
        "count": np.float32([count]),
    }
    path = write_answers(tmp_path / "m.tflite", outputs, size=(32, 32), files={"labels.txt": "cat"})
    with load(path, kind="ssd") as model:
        result = model(WIDE)
    assert (result.status, [d.label for d in result]) == (status, found)


@pytest.mark.parametrize(
    "outputs",
    [
        {"boxes": np.zeros((1, 100, 4), np.float32), "scores": np.zeros((1, 100, 9), np.float32)},
        {"boxes": np.zeros((1, 1917, 4), np.float32), "scores": np.zeros((1, 1900, 9), np.float32)},
        {"boxes": np.zeros((1, 1917, 4), np.float32)},
    ],
)
@pytest.mark.parametrize("kind", ["ssd-raw", "efficientdet"])
def test_other_numbers_of_boxes_are_refused(tmp_path: Path, outputs: Any, kind: str) -> None:
    path = write_answers(tmp_path / "m.tflite", outputs, size=(300, 300))
    with pytest.raises(ModelError, match="cannot be known from the file"):
        load(path)
    with pytest.raises(ModelError, match=r"the outputs of .*m\.tflite (have shapes|are not those)"):
        load(path, kind=kind)


def test_labels_that_fit_no_columns_are_refused(tmp_path: Path) -> None:
    outputs = {"boxes": np.zeros((1, 1917, 4), np.float32), "scores": np.zeros((1, 1917, 9), np.float32)}
    path = write_answers(tmp_path / "m.tflite", outputs, size=(300, 300))
    with pytest.raises(ModelError, match="there are 3 labels for the 8 classes"):
        load(path, labels=["a", "b", "c"])


def test_a_real_detector_finds_the_same_with_the_op_and_without(models: Path, inputs: Path, tmp_path: Path) -> None:
    whole = models / "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
    (anchors,) = without_last_operator(whole, tmp_path / "raw.tflite", outputs=2)
    np.testing.assert_allclose(ssd_anchors((300, 300)), anchors, atol=0.01)  # the op's are quantised
    with load(whole, min_score=0.3) as model:
        expected = list(model(inputs / "cats_and_dogs.jpg"))
        labels = model.recipe.labels
    with load(tmp_path / "raw.tflite", labels=list(labels), min_score=0.3) as model:
        assert model.recipe.kind == "ssd-raw"
        found = list(model(inputs / "cats_and_dogs.jpg"))
    assert len(expected) >= 4
    for one in expected:
        near = [d for d in found if d.label == one.label and d.box == pytest.approx(one.box, abs=10)]
        assert near, one
        assert near[0].score == pytest.approx(one.score, abs=0.01)
