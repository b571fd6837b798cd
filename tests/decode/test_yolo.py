"""What is reported of a YOLO model's candidates."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_infer.decode.decoder import ClassFilter
from edge_infer.decode.yolo import YoloDecoder
from edge_infer.decode.yolo_find import find_layout
from edge_infer.decode.yolo_layout import Task, Wanted, cells
from edge_infer.errors import ModelError
from edge_infer.types import Array, Detections, Geometry, TensorSpec

SIZE = (64, 64)
COUNT = cells(SIZE, (8, 16, 32))
FLOAT = np.dtype(np.float32)
SAME = Geometry(SIZE, SIZE)
LABELS = ("cat", "dog")
Row = tuple[float, ...]  # x, y, width, height as shares, then scores


def outputs(rows: list[Row], *, objectness: bool = False) -> Array:
    out = np.zeros((1, 6 + objectness, COUNT * (3 if objectness else 1)), np.float32)
    for place, row in enumerate(rows):
        out[0, :, place] = row
    return out


def decoder(out: Array, task: Task = "detect", extras: int = 0, **options: Any) -> YoloDecoder:
    spec = TensorSpec("out", out.shape, FLOAT)
    layout = find_layout([spec], Wanted(task, SIZE, 2, extras), "m")
    return YoloDecoder([spec], layout, options.pop("labels", LABELS), task=task, **options)


def decode(rows: list[Row], *, objectness: bool = False, geometry: Geometry = SAME, **options: Any) -> Detections:
    out = outputs(rows, objectness=objectness)
    return decoder(out, **options)([out], geometry)


# Two boxes with an IoU of 0.6, of a third and more.
ALIKE: list[Row] = [(0.5, 0.5, 0.5, 0.5, 0.9, 0.1), (0.5, 0.625, 0.5, 0.5, 0.8, 0.1)]


def test_boxes_with_an_iou_of_six_tenths_stay_and_with_objectness_one_goes() -> None:
    assert len(decode(ALIKE)) == 2
    assert len(decode([(*row[:4], 1.0, *row[4:]) for row in ALIKE], objectness=True)) == 1
    assert len(decode(ALIKE, iou=0.5)) == 1


def test_classes_are_suppressed_apart_unless_that_is_asked_for() -> None:
    rows = [ALIKE[0], (*ALIKE[0][:4], 0.1, 0.8)]
    assert decode(rows).labels == ("cat", "dog")
    assert decode(rows, agnostic=True).labels == ("cat",)


def test_the_best_come_first_and_the_lower_cell_on_a_tie() -> None:
    rows = [(x, 0.5, 0.1, 0.1, score, 0.0) for x, score in ((0.1, 0.5), (0.4, 0.9), (0.7, 0.5), (0.9, 0.9))]
    assert decode(rows).boxes[:, 0].tolist() == pytest.approx([22.4, 54.4, 3.2, 41.6])
    assert len(decode(rows, max_results=2)) == 2


def test_boxes_are_clipped_to_the_frame_and_those_outside_left_out() -> None:
    rows = [(0.5, 0.0, 2.0, 0.2, 0.9, 0.0), (0.5, 0.95, 0.5, 0.05, 0.9, 0.0), (0.5, 0.5, 0.0, 0.1, 0.9, 0.0)]
    wide = Geometry((64, 32), SIZE, pad=(0.0, 0.0), scale=(1.0, 1.0))  # the lower half is border
    assert decode(rows, geometry=wide).boxes.tolist() == [[0, 0, 64, pytest.approx(6.4)]]


def test_only_the_classes_that_are_wanted_are_reported() -> None:
    rows = [(0.2, 0.2, 0.1, 0.1, 0.9, 0.5), (0.8, 0.8, 0.1, 0.1, 0.3, 0.5)]
    assert decode(rows, classes=ClassFilter(LABELS, deny=("cat",))).labels == ("dog",)


def test_classes_without_a_label_are_numbers_and_too_few_labels_an_error() -> None:
    assert decode([ALIKE[0]], labels=()).labels == ("0",)
    with pytest.raises(ModelError, match="1 labels for the 2 classes of this YOLO model"):
        decode([], labels=("cat",))


def test_numbers_of_classes_beyond_the_labels_are_reported_as_numbers() -> None:
    out = np.zeros((1, 300, 6), np.float32)
    out[0, 0] = 0.1, 0.1, 0.5, 0.5, 0.9, 7
    assert decoder(out)([out], SAME).labels == ("7",)


def test_what_is_finished_is_not_suppressed_again_but_put_in_order() -> None:
    out = np.zeros((1, 300, 6), np.float32)
    out[0, :2] = [[0.1, 0.1, 0.5, 0.5, 0.8, 0], [0.1, 0.1, 0.5, 0.5, 0.9, 0]]
    assert decoder(out)([out], SAME).scores.tolist() == pytest.approx([0.9, 0.8])


def test_corners_of_a_turned_box_may_lie_outside_the_frame_and_its_box_may_not() -> None:
    out = np.zeros((1, 7, COUNT), np.float32)
    out[0, :, 0] = 0.0, 0.5, 0.5, 0.25, 0.9, 0.0, math.pi / 4
    found = decoder(out, "obb", 1)([out], SAME)
    assert found.corners is not None
    assert found.corners.min() < 0
    assert found.boxes[0].tolist() == pytest.approx([0, 32 - 24 / 2**0.5, 24 / 2**0.5, 32 + 24 / 2**0.5])


def test_turned_boxes_of_one_class_are_suppressed_by_their_likeness() -> None:
    out = np.zeros((1, 7, COUNT), np.float32)
    out[0, :, :3] = np.array(
        [[0.5, 0.5, 0.5, 0.1, 0.9, 0, 0.1], [0.5, 0.5, 0.5, 0.1, 0.8, 0, 0.1], [0.5, 0.5, 0.5, 0.1, 0.7, 0, 1.6]]
    ).T
    assert decoder(out, "obb", 1)([out], SAME).scores.tolist() == pytest.approx([0.9, 0.7])


any_float = st.floats(width=32) | st.sampled_from([0.0, 0.375, 1.0])


@given(arrays.arrays(np.float32, (1, 9, COUNT), elements=any_float), st.sampled_from(["detect", "pose", "obb"]))
def test_whatever_the_model_says_is_finite_and_inside_the_frame(values: Array, task: Task) -> None:
    extras = {"detect": 0, "pose": 3, "obb": 1}[task]
    out = np.ascontiguousarray(values[:, : 6 + extras])
    found = decoder(out, task, extras, keypoint_names=("nose",) if task == "pose" else ())([out], SAME)
    assert np.isfinite(found.scores).all()
    assert ((found.scores >= 0.25) & (found.scores <= 1)).all()
    assert ((found.boxes >= 0) & (found.boxes <= 64)).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    if task == "pose":
        assert found.keypoints is not None
        assert np.isfinite(found.keypoints).all()
