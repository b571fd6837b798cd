"""`edge-infer inspect`: what a model is, what becomes of it, and what told that."""

import hashlib
import json
from pathlib import Path
from typing import Any

import metadata_writer as written
import numpy as np
import pytest
from tflite_writer import ADD, Graph, Op, Tensor, model_bytes, write_answers

from edge_infer.cli.main import main


def inspect(capsys: pytest.CaptureFixture[str], path: Path, *said: str) -> Any:
    assert main(["inspect", "--json", str(path), *said]) == 0
    return json.loads(capsys.readouterr().out)


def decided(facts: Any) -> dict[str, Any]:
    return {part: entry["value"] for part, entry in facts["decided"].items()}


def told(facts: Any) -> dict[str, str]:
    return {part: entry["from"] for part, entry in facts["decided"].items()}


def test_a_detector_with_metadata(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    facts = inspect(capsys, models / "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite")
    assert (facts["task"], facts["decoder"], facts["labels"]) == ("detect", "ssd", 90)
    values, why = decided(facts), told(facts)
    assert values["input size"] == "300x300"
    assert (values["color"], values["resize"], values["mean"], values["min_score"]) == ("rgb", "stretch", [127.5], 0.5)
    assert values["order"] == "boxes, classes, scores, count"
    assert values["labels"] == "90: person, bicycle, car, motorcycle, airplane, ..."
    assert why["order"] == "the names in the TFLite metadata"
    assert why["mean"] == "the metadata in the model"
    assert why["task"] == "the op TFLite_Detection_PostProcess"
    assert why["min_score"] == "usual for this decoder"
    assert "not believed" not in facts


def test_a_grey_classifier_without_metadata(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    facts = inspect(capsys, models / "keras_lstm_mnist_ptq.tflite")
    assert decided(facts)["activation"] == "none"
    assert told(facts)["activation"] == "the op SOFTMAX at its end"
    assert (decided(facts)["color"], told(facts)["color"]) == ("gray", "the one channel of the input")
    assert decided(facts)["labels"] == "none"


def test_a_model_that_cannot_be_known_lists_the_choices(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_answers(tmp_path / "m.tflite", {"x": np.zeros((1, 7), np.float32)}, size=(8, 8))
    facts = inspect(capsys, path)
    assert facts["task"] == "unknown"
    assert "cannot be known from the file (its outputs: x [1, 7] float32)" in facts["why"]
    assert facts["decoders"]["ssd"].startswith("boxes, classes")
    assert main(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    assert "task:        unknown\n" in text
    assert "  classify       one score for each class\n" in text


def test_what_is_not_believed_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    metadata = written.metadata(inputs=[written.tensor("image", color=written.GRAYSCALE, mean=[0], std=[0])])
    path = write_answers(
        tmp_path / "m.tflite",
        {"p": np.uint8([[1, 2]])},
        size=(8, 8),
        dtype="uint8",
        output_scales={"p": (1 / 256, 0)},
        metadata=metadata,
    )
    facts = inspect(capsys, path)
    assert facts["not believed"] == [
        "normalization of input 0 with mean [0.0] and std [0.0] cannot be: it is left out",
        "GRAYSCALE for an input with 3 channels",
    ]
    assert decided(facts)["color"] == "rgb"


def test_state_open_sizes_and_what_must_be_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tensors = [
        Tensor("image", (1, 1, 1, 3), "float32", signature=(1, -1, -1, 3)),
        Tensor("count_in", (1, 2)),
        Tensor("one", (1, 2), data=np.float32([[1, 1]])),
        Tensor("count_out", (1, 2)),
    ]
    graph = Graph(tensors, ["image", "count_in"], ["count_out"], [Op(ADD, ["count_in", "one"], ["count_out"])])
    manifest = tmp_path / "manifest.yaml"
    (tmp_path / "m.tflite").write_bytes(model_bytes(graph))
    digest = hashlib.sha256((tmp_path / "m.tflite").read_bytes()).hexdigest()
    manifest.write_text(
        "schema: edge-infer/bundle@1\nname: counter\nversion: 1.0.0\nsequence: 1\ntask: tensors\nlicense: none\n"
        f"model: {{file: m.tflite, sha256: {digest}}}\npreprocess: {{size: [320, 240]}}\ndecode: {{kind: tensors}}\n"
    )
    facts = inspect(capsys, tmp_path)
    assert decided(facts)["state"] == "count_in from count_out"
    assert told(facts)["state"] == "names and shapes of inputs and outputs"
    assert decided(facts)["input size"] == "320x240"
    assert told(facts)["input size"] == "the manifest"
    assert (decided(facts)["mean"], told(facts)["mean"]) == ("unknown", "nothing: say --mean")


def test_what_you_say_wins(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_answers(tmp_path / "m.tflite", {"x": np.zeros((1, 3), np.float32)}, size=(8, 8))
    assert inspect(capsys, path)["task"] == "unknown"
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    labels = str(tmp_path / "labels.txt")
    facts = inspect(capsys, path, "--decoder", "classify", "--mean", "0", "--std", "255", "--labels", labels)
    assert (facts["task"], facts["labels"]) == ("classify", 3)
    assert (decided(facts)["mean"], told(facts)["mean"], told(facts)["task"]) == ([0.0], "you", "you")


def test_the_text_says_the_same(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    assert main(["inspect", str(models / "deeplabv3_mnv2_dm05_pascal_quant.tflite")]) == 0
    text = capsys.readouterr().out
    assert "  task           segment  (the op ARG_MAX at its end)\n" in text
    assert "  input size     513x513  (the input 'MobilenetV2/MobilenetV2/input')\n" in text
    assert "known from" not in text
