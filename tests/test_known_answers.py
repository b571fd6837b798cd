"""The published answers to the pictures of the test data, from the command itself, on the runtime in force.

Source: SOURCES.md of the test data; tolerances are those of the projects that published the answers.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_infer.decode.nms import iou

BUNDLE = Path(__file__).resolve().parents[1] / "models" / "face-detection"
SSD = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29"
BOX_TOLERANCE_PX = 10


def infer(*arguments: object, code: int = 0) -> Any:
    """What `edge-infer infer --json` prints for one input."""
    command = [sys.executable, "-m", "edge_infer", "infer", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    if code:
        return done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert (answer["status"], answer["device"]) == ("ok", "cpu")
    return answer


CLASSES = [  # model, picture, class, its least score, among the first so many
    ("mobilenet_v1_0.25_224_quant", "burger.jpg", 934, 0.94, 1),
    ("mobilenet_v2_1.0_224_quant", "cat.bmp", 286, 0.7, 3),
    ("mobilenet_v1_0.25_128_quant", "cat.bmp", 283, 0.25, 3),
    ("keras_lstm_mnist_ptq", "mnist_nine.bmp", 9, 0.7, 1),
]


@pytest.mark.parametrize(("name", "picture", "class_id", "score", "best"), CLASSES)
def test_classes(models: Path, inputs: Path, name: str, picture: str, class_id: int, score: float, best: int) -> None:
    answer = infer("-m", models / f"{name}.tflite", "--device", "cpu", "--top-k", best, inputs / picture)
    assert answer["task"] == "classify"
    scores = {entry["class_id"]: entry["score"] for entry in answer["classes"]}
    assert scores[class_id] >= score
    if name == "mobilenet_v1_0.25_224_quant":
        assert scores[class_id] <= 0.98
        assert answer["classes"][0]["label"] == "cheeseburger"


def test_boxes(models: Path, inputs: Path) -> None:
    answer = infer("-m", models / f"{SSD}.tflite", "--min-score", 0.45, inputs / "cats_and_dogs.jpg")
    expected = [  # x, y, width, height
        ("cat", 0.644, (54, 396, 393, 196)),
        ("cat", 0.609, (602, 157, 394, 447)),
        ("cat", 0.5625, (259, 394, 181, 209)),
        ("dog", 0.5, (387, 197, 281, 409)),
    ]
    found = answer["detections"]
    assert len(found) == len(expected)
    boxes = np.float32([entry["box"] for entry in found])
    for label, score, (x, y, width, height) in expected:
        entry = found[int(iou(np.float32([x, y, x + width, y + height]), boxes).argmax())]
        assert entry["label"] == label
        assert entry["score"] == pytest.approx(score, abs=0.05)
        assert entry["box"] == pytest.approx([x, y, x + width, y + height], abs=BOX_TOLERANCE_PX)


def test_a_box_in_a_letterboxed_picture(models: Path, inputs: Path) -> None:
    options = ("--resize", "letterbox-topleft", "--min-score", 0.7)
    (cat,) = infer("-m", models / f"{SSD}.tflite", *options, inputs / "cat.bmp")["detections"]
    assert (cat["class_id"], cat["label"]) == (16, "cat")


def test_the_points_of_a_body(models: Path, inputs: Path) -> None:
    name = "movenet_single_pose_lightning_ptq"
    answer = infer("-m", models / f"{name}.tflite", inputs / "squat.bmp")
    assert answer["task"] == "pose"
    expected = np.loadtxt(inputs.parent / "labels" / f"{name}_reference.csv", delimiter=",", skiprows=1)[:, 4:6]
    points = np.array([[point["x"], point["y"]] for point in answer["keypoints"]])
    near = np.abs(points / [answer["width"], answer["height"]] - expected).max(axis=1) <= 0.04
    assert sum(near & np.array([point["score"] > 0.4 for point in answer["keypoints"]])) >= 8


def test_the_class_of_each_pixel(models: Path, inputs: Path, tmp_path: Path) -> None:
    labels = inputs.parent / "labels" / "pascal_voc_segmentation_labels.txt"
    model = models / "deeplabv3_mnv2_dm05_pascal_quant.tflite"
    answer = infer("-m", model, "--labels", labels, "--out", tmp_path, inputs / "bird_segmentation.bmp")
    assert answer["task"] == "segment"
    assert "bird" in {entry["label"] for entry in answer["mask"]["classes"]}
    ids = cv2.imread(answer["mask"]["png"], cv2.IMREAD_UNCHANGED)
    expected = cv2.imread(str(inputs / "bird_segmentation_mask.bmp"), cv2.IMREAD_GRAYSCALE)
    assert ids.shape == (answer["height"], answer["width"]) == expected.shape
    assert (ids == expected).mean() > 0.9
    assert sum(entry["pixels"] for entry in answer["mask"]["classes"]) == ids.size


def test_the_face_of_the_bundle() -> None:
    (face,) = infer("-m", BUNDLE, BUNDLE / "sample.jpg")["detections"]
    assert face["label"] == "face"
    assert face["score"] > 0.8
    assert len(face["keypoints"]) == 6


def test_an_operator_that_nobody_has(models: Path, inputs: Path) -> None:
    error = infer("-m", models / "model_invoking_error.tflite", inputs / "cat.bmp", code=65)
    assert "model_invoking_error.tflite needs the custom op fake-op-double" in error
    assert error.count("\n") == 1
