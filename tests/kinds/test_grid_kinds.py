"""Detectors on a grid, FOMO and CenterNet, from their files to boxes in the frame."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import write_answers

from edge_infer.bundle.model_file import read_model
from edge_infer.errors import ModelError
from edge_infer.kinds.fomo import FOMO
from edge_infer.kinds.kind import Clues
from edge_infer.kinds.registry import recognise
from edge_infer.loading import load
from edge_infer.types import Array, Detections

WIDE = np.full((96, 192, 3), 90, np.uint8)


def heat(classes: int = 2) -> Array:
    scores = np.full((1, 12, 12, 1 + classes), 0.02, np.float32)
    scores[0, 2, 3] = [0.1, 0.9, *[0.0] * (classes - 1)]
    scores[0, 2, 4] = [0.2, 0.8, *[0.0] * (classes - 1)]
    return scores / scores.sum(axis=3, keepdims=True)


def fomo(path: Path, **parts: Any) -> Path:
    options = {"size": (96, 96), "dtype": "float32", "last": "SOFTMAX", **parts}
    return write_answers(path, {"output": heat()}, **options)


@pytest.mark.parametrize(("resize", "box"), [("stretch", (48, 16, 80, 24)), ("letterbox-topleft", (48, 32, 80, 48))])
def test_fomo_is_recognised_and_its_cells_are_boxes(
    tmp_path: Path, resize: str, box: tuple[float, float, float, float]
) -> None:
    with load(fomo(tmp_path / "fomo.tflite"), labels=["nut", "bolt"], resize=resize) as model:
        assert (model.recipe.kind, model.recipe.prepare.std) == ("fomo", (255.0,))
        result = model(WIDE)
    assert result.task == "detect"
    assert isinstance(result.prediction, Detections)
    (one,) = result.prediction
    assert (one.label, one.box) == ("nut", pytest.approx(box))
    assert one.score == pytest.approx(0.9, abs=0.01)


def test_what_lies_in_the_border_only_is_not_reported(tmp_path: Path) -> None:
    with load(fomo(tmp_path / "fomo.tflite"), resize="letterbox") as model:
        found = model(WIDE).prediction
    assert found is not None
    assert len(found) == 0


def test_a_quantised_grey_fomo_can_be_named(tmp_path: Path) -> None:
    stored = np.clip(np.round(heat() * 256) - 128, -128, 127).astype(np.int8)
    path = write_answers(
        tmp_path / "fomo.tflite",
        {"output": stored},
        size=(96, 96),
        channels=1,
        dtype="int8",
        scale=1 / 255,
        zero_point=-128,
        output_scales={"output": (1 / 256, -128)},
    )
    with load(path, kind="fomo") as model:
        found = model(WIDE).prediction
    assert isinstance(found, Detections)
    assert found.labels == ("0",)
    assert found.scores == pytest.approx([0.9], abs=0.02)


@pytest.mark.parametrize(
    "parts",
    [{"size": (192, 192)}, {"size": (100, 96)}, {"last": ""}, {"files": {"labels.txt": "background\ncat\ndog\n"}}],
    ids=str,
)
def test_what_is_alike_is_not_taken_for_fomo(tmp_path: Path, parts: dict[str, Any]) -> None:
    clues = Clues(read_model(fomo(tmp_path / "other.tflite", **parts)))
    assert FOMO.recognise(clues) is None


def centernet(path: Path, names: tuple[str, str, str] = ("hm", "wh", "reg"), **parts: Any) -> Path:
    answers = {name: np.zeros((1, 24, 24, c), np.float32) for name, c in zip(names, (3, 2, 2), strict=True)}
    answers[names[0]][:] = -5  # logits
    answers[names[0]][0, 10, 6, 1] = 2
    answers[names[1]][0, 10, 6] = (4, 2)
    answers[names[2]][0, 10, 6] = (0.5, 0.25)
    return write_answers(path, answers, size=(96, 96), dtype="uint8", **parts)


def test_centernet_is_recognised_by_the_names_of_its_heads(tmp_path: Path) -> None:
    with load(centernet(tmp_path / "c.tflite"), labels=["car", "cat", "cow"]) as model:
        assert model.recipe.kind == "centernet"
        found = model(WIDE).prediction
    assert isinstance(found, Detections)
    (one,) = found
    assert one.label == "cat"
    assert one.score == pytest.approx(1 / (1 + np.exp(-2)))
    assert one.box == pytest.approx((2 * 4 * 4.5, 4 * 9.25, 2 * 4 * 8.5, 4 * 11.25))


def test_a_centernet_without_names_is_asked_about_and_can_be_named(tmp_path: Path) -> None:
    path = centernet(tmp_path / "c.tflite", ("a", "b", "c"))
    with pytest.raises(ModelError, match="cannot be known"):
        recognise(Clues(read_model(path)))
    with load(path, kind="centernet") as model:
        found = model(WIDE).prediction
    assert isinstance(found, Detections)
    assert found.boxes[0] == pytest.approx([36, 37, 68, 45])


@pytest.mark.parametrize("kind", ["fomo", "centernet"])
def test_a_decoder_that_does_not_fit_says_what_it_needs(tmp_path: Path, kind: str) -> None:
    path = write_answers(tmp_path / "m.tflite", {"a": np.zeros((1, 7), np.float32)}, dtype="uint8")
    with pytest.raises(ModelError, match="model has other ones"):
        load(path, kind=kind)
