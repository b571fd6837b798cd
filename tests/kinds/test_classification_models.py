"""Classifiers as exporters leave them, from the file to the answer."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import metadata_writer as written
import numpy as np
import pytest
from cut_models import without_last_operator
from tflite_writer import ADD, LOGISTIC, RESHAPE, SOFTMAX, Graph, Op, Tensor, archive, model_bytes, write_answers

from edge_infer.errors import ModelError
from edge_infer.loading import load

GREY = np.full((60, 80, 3), 127, np.uint8)
LABELS = "cat\ndog\nowl\n"


@pytest.fixture
def answers(tmp_path: Path) -> Callable[..., list[tuple[str, float]]]:
    """What the model says to any picture: (label, score) of each class."""

    def answers(outputs: Mapping[str, Any], options: Mapping[str, Any] | None = None, **parts: Any) -> Any:
        path = write_answers(tmp_path / "m.tflite", outputs, size=(8, 8), dtype="uint8", **parts)
        with load(path, **(options or {})) as model:
            result = model(GREY)
        assert (result.task, result.status) == ("classify", "ok")
        return [(c.label, pytest.approx(c.score, abs=1e-3)) for c in result]

    return answers


def behind(path: Path, operator: int, values: Sequence[float], labels: str = "") -> Path:
    """A float model whose last operator computes something of these values."""
    given = np.float32([values])
    tensors = [
        Tensor("image", (1, 8, 8, 3), "uint8"),
        Tensor("given", given.shape, data=given),
        Tensor("zero", (1,), data=np.float32([0])),
        Tensor("scores", given.shape),
    ]
    inputs = ["given", "zero"] if operator == ADD else ["given"]
    graph = Graph(tensors, ["image"], ["scores"], [Op(operator, inputs, ["scores"])])
    path.write_bytes(model_bytes(graph) + archive({"labels.txt": labels} if labels else {}))
    return path


def test_probabilities_stay_as_they_are(answers: Callable[..., Any]) -> None:
    found = answers({"p": np.float32([[0.2, 0.7, 0.1]])}, last="SOFTMAX", files={"labels.txt": LABELS})
    assert found == [("dog", 0.7), ("cat", 0.2), ("owl", 0.1)]


@pytest.mark.parametrize(
    ("stored", "scale"), [(np.uint8([[51, 179, 26]]), (1 / 256, 0)), (np.int8([[-77, 51, -102]]), (1 / 256, -128))]
)
def test_quantised_probabilities_are_known_by_their_range(
    answers: Callable[..., Any], stored: Any, scale: tuple[float, int]
) -> None:
    found = answers({"p": stored}, output_scales={"p": scale}, files={"labels.txt": LABELS})
    assert found == [("dog", 0.699), ("cat", 0.199), ("owl", 0.102)]
    without = answers({"p": stored}, output_scales={"p": scale})
    assert [label for label, _ in without] == ["1", "0", "2"]


def test_quantised_logits_are_known_by_their_range(answers: Callable[..., Any]) -> None:
    stored = np.int8([[0, 20, -20]])  # real: 1, 3, -1
    found = answers({"logits": stored}, output_scales={"logits": (0.1, -10)}, files={"labels.txt": LABELS})
    powers = [math.exp(v) for v in (3, 1, -1)]
    assert found == [(label, power / sum(powers)) for label, power in zip(("dog", "cat", "owl"), powers, strict=True)]
    raw = answers(
        {"logits": stored}, {"activation": "none"}, output_scales={"logits": (0.1, -10)}, files={"labels.txt": LABELS}
    )
    assert raw == [("dog", 3.0), ("cat", 1.0)]  # -1 is below the least score, 0


@pytest.mark.parametrize(
    ("operator", "options", "scores"),
    [
        (ADD, {}, [0.844, 0.114, 0.042]),  # what ends without an activation
        (ADD, {"activation": "sigmoid"}, [0.953, 0.731, 0.5]),  # several may be right: only the user knows
        (LOGISTIC, {}, [0.953, 0.731, 0.5]),
        (SOFTMAX, {}, [0.844, 0.114, 0.042]),
    ],
)
def test_the_last_operator_tells_whether_scores_are_logits(
    tmp_path: Path, operator: int, options: dict[str, Any], scores: list[float]
) -> None:
    path = behind(tmp_path / "m.tflite", operator, [1, 3, 0], LABELS)
    with load(path, **options) as model:
        result = model(GREY)
    assert [(c.label, c.score) for c in result] == [
        (label, pytest.approx(score, abs=1e-3)) for label, score in zip(("dog", "cat", "owl"), scores, strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "least", "most", "scores"),
    [([0.5, 0.3, 0.2], 0.0, 1.0, [0.5, 0.3, 0.2]), ([0.5, 0.3, 0.2], -9.0, 9.0, [0.391, 0.32, 0.289])],
)
def test_the_metadata_tells_whether_scores_are_logits(
    answers: Callable[..., Any], values: list[float], least: float, most: float, scores: list[float]
) -> None:
    output = written.tensor("probability", minimum=least, maximum=most, labels="labels.txt")
    found = answers(
        {"p": np.float32([values])},
        metadata=written.metadata(outputs=[output]),
        files={"labels.txt": LABELS},
    )
    assert [score for _, score in found] == scores


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 1, 3)])
def test_classes_may_lie_in_any_one_row(answers: Callable[..., Any], shape: tuple[int, ...]) -> None:
    stored = np.uint8([10, 200, 40]).reshape(shape)
    assert answers({"p": stored}, output_scales={"p": (1 / 256, 0)})[0] == ("1", 0.781)


@pytest.mark.parametrize(
    ("classes", "labels", "label"),
    [
        (1001, ["background", *(f"n{i}" for i in range(1000))], "n6"),
        (1001, [f"n{i}" for i in range(1000)], "n6"),
        (1000, ["background", *(f"n{i}" for i in range(1000))], "n7"),
        (1000, [f"n{i}" for i in range(1000)], "n7"),
    ],
)
def test_labels_of_imagenet_fit_with_a_background_and_without(
    answers: Callable[..., Any], classes: int, labels: list[str], label: str
) -> None:
    stored = np.zeros((1, classes), np.uint8)
    stored[0, 7] = 250
    found = answers({"p": stored}, output_scales={"p": (1 / 256, 0)}, files={"labels.txt": "\n".join(labels)})
    assert found[0][0] == label


@pytest.mark.parametrize(
    ("labels", "found"), [("no\nyes\n", [("yes", 0.75), ("no", 0.25)]), ("yes\n", [("yes", 0.75)])]
)
def test_one_score_with_labels_is_a_classifier_of_two(tmp_path: Path, labels: str, found: Any) -> None:
    path = behind(tmp_path / "m.tflite", LOGISTIC, [math.log(3)], labels)
    with load(path) as model:
        assert [(c.label, pytest.approx(c.score)) for c in model(GREY)] == found


@pytest.mark.parametrize("operator", [LOGISTIC, ADD, RESHAPE])
def test_one_number_without_labels_may_be_anything(tmp_path: Path, operator: int) -> None:
    path = write_answers(tmp_path / "m.tflite", {"x": np.float32([[0.5]])}, size=(8, 8), dtype="uint8")
    if operator != RESHAPE:
        behind(path, operator, [0.5])
    with pytest.raises(ModelError, match=r"cannot be known from the file .*:(.|\n)*\n +classify .*(.|\n)*\n +regress "):
        load(path)


HEADS = {"a": np.uint8([[10, 200, 46]]), "b": np.uint8([[128, 128]])}
SCALES = {"a": (1 / 256, 0), "b": (1 / 256, 0)}
HEAD_FILES = {"animals.txt": LABELS, "hats.txt": "bare\nhat\n", "c.csv": "1,0,0\n1,2,0\n"}


def test_each_output_with_labels_is_a_head_of_its_own(tmp_path: Path) -> None:
    outputs = [
        written.tensor("animal", labels="animals.txt"),
        written.tensor("hat", labels="hats.txt", calibration="c.csv"),
    ]
    path = write_answers(
        tmp_path / "m.tflite",
        HEADS,
        size=(8, 8),
        dtype="uint8",
        output_scales=SCALES,
        metadata=written.metadata(outputs=outputs),
        files=HEAD_FILES,
    )
    with load(path, top_k=2) as model:
        found = [(c.head, c.label, pytest.approx(c.score, abs=1e-3)) for c in model(GREY)]
    calibrated = 1 / (1 + math.exp(-2 * 0.5))
    assert found == [
        ("animal", "dog", 0.781),
        ("animal", "owl", 0.180),
        ("hat", "hat", calibrated),
        ("hat", "bare", 0.5),
    ]


def test_several_outputs_without_labels_are_asked_about_and_may_be_heads(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "m.tflite", HEADS, size=(8, 8), dtype="uint8", output_scales=SCALES)
    with pytest.raises(ModelError, match="cannot be known from the file"):
        load(path)
    with load(path, kind="classify", top_k=1) as model:
        assert [(c.head, c.class_id) for c in model(GREY)] == [("a", 1), ("b", 0)]


def test_a_head_without_labels_has_numbers_and_yours_are_for_one_output_only(tmp_path: Path) -> None:
    path = write_answers(
        tmp_path / "m.tflite",
        HEADS,
        size=(8, 8),
        dtype="uint8",
        output_scales=SCALES,
        metadata=written.metadata(outputs=[written.tensor("animal", labels="animals.txt"), written.tensor("hat")]),
        files=HEAD_FILES,
    )
    with load(path, top_k=1) as model:
        assert [(c.head, c.label) for c in model(GREY)] == [("animal", "dog"), ("hat", "0")]
    with pytest.raises(ModelError, match="has 2 outputs, and labels for one are given"):
        load(path, labels=["x", "y", "z"])


def test_an_output_that_is_no_row_is_no_classifier(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "m.tflite", {"map": np.zeros((1, 4, 4, 3), np.float32)}, dtype="uint8")
    with pytest.raises(ModelError, match=r"output 'map' of .* has shape \[1, 4, 4, 3\], which is not one number"):
        load(path, kind="classify")


def test_the_logits_of_a_real_model_become_its_own_scores(models: Path, inputs: Path, tmp_path: Path) -> None:
    whole = models / "mobilenet_v1_0.25_224_quant.tflite"
    without_last_operator(whole, tmp_path / "logits.tflite", outputs=1)
    with load(whole) as model:
        expected = [(c.class_id, c.score) for c in model(inputs / "burger.jpg")]
        labels = list(model.recipe.labels)
    with load(tmp_path / "logits.tflite", labels=labels, kind="classify") as model:
        found = [(c.class_id, c.score) for c in model(inputs / "burger.jpg")]
    assert found[0] == (934, pytest.approx(expected[0][1], abs=0.01))
