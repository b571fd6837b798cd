"""Real models and their published answers, on the runtime in force (EDGE_INFER_RUNTIME)."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_infer.bundle.model_file import read_model
from edge_infer.decode.nms import iou
from edge_infer.errors import InputError, ModelError, UnavailableError, UsageError
from edge_infer.loading import load
from edge_infer.runtime.libraries import find_library

SSD = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
BOTH = "mobilenet_v1_0.25_128_quant.tflite"  # its twin for the Edge TPU lies beside it
BOX_TOLERANCE_PX = 10


# (model, input, class, score, tolerance, how many of the best to look at): SOURCES.md of the test data
CLASSES = [
    ("mobilenet_v1_0.25_224_quant", "burger.jpg", 934, 0.96, 0.02, 1),
    ("mobilenet_v2_1.0_224_quant", "cat.bmp", 286, 0.85, 0.15, 3),
    ("mobilenet_v1_0.25_128_quant", "cat.bmp", 283, 0.60, 0.35, 3),
    ("keras_lstm_mnist_ptq", "mnist_nine.bmp", 9, 0.85, 0.15, 1),
]


@pytest.mark.parametrize(("name", "picture", "class_id", "score", "tolerance", "best"), CLASSES)
def test_classifiers_give_the_published_answers(
    models: Path,
    inputs: Path,
    name: str,
    picture: str,
    class_id: int,
    score: float,
    tolerance: float,
    best: int,
) -> None:
    with load(models / f"{name}.tflite", device="cpu", top_k=best) as model:
        result = model(inputs / picture)
    scores = {category.class_id: category.score for category in result}
    assert len(scores) == best
    assert scores[class_id] == pytest.approx(score, abs=tolerance)
    assert result.status == "ok"
    assert result.task == "classify"


def test_labels_come_with_the_model_or_from_a_file(testdata: Path, models: Path, inputs: Path) -> None:
    with load(models / "mobilenet_v1_0.25_224_quant.tflite") as model:
        assert next(iter(model(inputs / "burger.jpg"))).label == "cheeseburger"
    labels = testdata / "labels" / "imagenet_labels.txt"
    with load(models / BOTH, device="cpu", labels=labels) as model:
        assert "tiger cat" in {category.label for category in model(inputs / "cat.bmp")}


def test_a_detector_gives_the_published_boxes(models: Path, inputs: Path) -> None:
    # x, y, width, height
    expected = [
        ("cat", 0.644, (54, 396, 393, 196)),
        ("cat", 0.609, (602, 157, 394, 447)),
        ("cat", 0.5625, (259, 394, 181, 209)),
        ("dog", 0.5, (387, 197, 281, 409)),
    ]
    with load(models / SSD, min_score=0.45) as model:
        result = model(inputs / "cats_and_dogs.jpg")
    assert len(result) == len(expected)
    found = result.prediction
    for label, score, (x, y, width, height) in expected:
        overlaps = iou(np.float32([x, y, x + width, y + height]), found.boxes)
        best = int(overlaps.argmax())
        assert found.labels[best] == label
        assert found.scores[best] == pytest.approx(score, abs=0.05)
        assert found.boxes[best].tolist() == pytest.approx([x, y, x + width, y + height], abs=BOX_TOLERANCE_PX)


def test_a_letterboxed_detector_finds_the_cat(models: Path, inputs: Path) -> None:
    with load(models / SSD, resize="letterbox-topleft", min_score=0.7) as model:
        (cat,) = model(inputs / "cat.bmp")
    assert cat.class_id == 16
    assert cat.label == "cat"


def test_nothing_seen_is_an_empty_answer(models: Path) -> None:
    with load(models / SSD, min_score=0.99) as model:
        result = model(np.zeros((90, 160, 3), np.uint8))
    assert list(result) == []
    assert (result.status, result.error, result.size) == ("ok", None, (160, 90))


def test_a_picture_may_be_a_path_or_an_array(models: Path, inputs: Path) -> None:
    with load(models / BOTH, device="cpu") as model:
        results = [
            model(inputs / "cat.bmp"),
            model(str(inputs / "cat.bmp")),
            model(cv2.imread(str(inputs / "cat.bmp"))),
        ]
    assert len({tuple(result.prediction.scores.tolist()) for result in results}) == 1
    assert [result.number for result in results] == [0, 1, 2]
    assert set(results[0].timings_ms) == {"prepare", "infer", "decode"}
    assert min(results[0].timings_ms.values()) > 0


def test_a_result_says_which_file_answered_and_on_what(models: Path) -> None:
    with load(models / BOTH, device="cpu") as model:
        result = model(np.zeros((9, 9, 3), np.uint8))
        assert model.runtime.library == str(find_library())
    assert result.model.name == "mobilenet_v1_0.25_128_quant"
    assert result.model.sha256 == hashlib.sha256((models / BOTH).read_bytes()).hexdigest()
    assert result.device == "cpu"


def test_what_is_no_picture_is_refused_and_the_model_goes_on(models: Path, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no picture")
    with load(models / BOTH, device="cpu") as model:
        with pytest.raises(UnavailableError, match=r"none\.jpg"):
            model(tmp_path / "none.jpg")
        with pytest.raises(InputError, match=r"x\.jpg"):
            model(tmp_path / "x.jpg")
        with pytest.raises(InputError, match="uint8"):
            model(np.zeros((9, 9, 3), np.float32))
        assert len(model(inputs / "cat.bmp")) == 5
    with pytest.raises(ModelError, match="was closed"):
        model(inputs / "cat.bmp")


def test_an_op_that_nobody_has_is_a_clear_error(models: Path) -> None:
    with pytest.raises(ModelError, match=r"model_invoking_error\.tflite needs the custom op fake-op-double") as caught:
        load(models / "model_invoking_error.tflite")
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("called_with", ["cat.bmp", "speech.wav"])
def test_a_model_of_samples_cannot_be_called_and_says_what_takes_its_place(
    models: Path, inputs: Path, called_with: str
) -> None:
    with (
        load(models / "yamnet_audio_classifier_with_metadata.tflite") as model,
        pytest.raises(InputError, match=r"takes windows of 15600 samples: .* stream\(open_source\('x\.wav'\), model\)"),
    ):
        model(inputs / called_with)


def test_raw_outputs_can_be_asked_for(models: Path, inputs: Path) -> None:
    with load(models / "movenet_single_pose_lightning_ptq.tflite", kind="tensors") as model:
        ((_, points),) = model(inputs / "squat.bmp")
    expected = np.loadtxt(
        inputs.parent / "labels" / "movenet_single_pose_lightning_ptq_reference.csv", delimiter=",", skiprows=1
    )
    points = points.reshape(17, 3)  # y, x, score
    near = np.abs(points[:, 1::-1] - expected[:, 4:6]).max(axis=1) <= 0.04
    assert (near & (points[:, 2] > 0.4)).sum() >= 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "device 'gpu' is not known"),
        ({"min_scor": 0.5}, "no option min_scor; there are .*min_score"),
        ({"min_score": 2.0}, "an option of the model is wrong: .*<= 1.0"),
        ({"resize": "squeeze"}, "an option of the model is wrong"),
    ],
)
def test_a_wrong_option_is_refused(models: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(models / BOTH, **options)


def test_a_model_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="there is no model at"):
        load(tmp_path / "none.tflite")


def test_a_runtime_that_is_not_there_is_unavailable(models: Path) -> None:
    with pytest.raises(UnavailableError, match="'onnx' is not known"):
        load(models / BOTH, runtime="onnx")


def test_labels_that_are_too_few_for_a_detector_are_refused(models: Path) -> None:
    assert read_model(models / SSD).detection_classes == 90
    with pytest.raises(ModelError, match=r"there are 2 labels for the 90 classes of .*coco_ssd"):
        load(models / SSD, labels=["person", "bicycle"])
