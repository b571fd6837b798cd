"""Models of which nobody says anything, and models whose metadata says what cannot be (docs/zero-configuration.md)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import metadata_writer as written
import numpy as np
import pytest
from tflite_writer import write_answers

from edge_infer.errors import ModelError
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.types import Result

GREY = np.full((100, 100, 3), 127, np.uint8)
LABELS = {"labels.txt": "cat\ndog\nowl\n"}
PROBABILITIES = {"p": np.uint8([[51, 179, 26]])}
SCALE = {"p": (1 / 256, 0)}
SSD = {
    "boxes": np.float32([[[0.1, 0.2, 0.5, 0.6], [0, 0, 0, 0]]]),
    "classes": np.float32([[1, 0]]),
    "scores": np.float32([[0.9, 0.0]]),
    "count": np.float32([1]),
}


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Model]:
    """A model with these outputs and metadata, loaded."""

    def opened(outputs: Any, options: Any = None, **parts: Any) -> Model:
        given: dict[str, Any] = {"size": (8, 8), "dtype": "uint8"} | parts
        return load(write_answers(tmp_path / "m.tflite", outputs, **given), **(options or {}))

    return opened


def asked(model: Model) -> Result:
    with model:
        result = model(GREY)
    assert result.status == "ok"
    return result


def best(model: Model) -> str:
    return str(next(iter(asked(model))).label)


def classifier(**of: Any) -> dict[str, Any]:
    return {"output_scales": SCALE, "files": LABELS, "metadata": written.metadata(**of)}


def test_a_classifier_without_any_metadata_answers(opened: Callable[..., Model]) -> None:
    assert best(opened(PROBABILITIES, output_scales=SCALE)) == "1"
    assert best(opened(PROBABILITIES, output_scales=SCALE, files=LABELS)) == "dog"
    assert best(opened(PROBABILITIES, {"labels": ["a", "b", "c"]}, output_scales=SCALE, files=LABELS)) == "b"


RIGHT_ALL_THE_SAME: dict[str, tuple[dict[str, Any], str, str]] = {  # metadata, what is logged, the answer
    "more outputs": (
        classifier(outputs=[written.tensor("a", labels="labels.txt"), written.tensor("b")]),
        "it describes 2 outputs, the model has 1",
        "dog",
    ),
    "more inputs": (
        classifier(inputs=[written.tensor("a", mean=[1], std=[1]), written.tensor("b")]),
        "it describes 2 inputs, the model has 1",
        "dog",
    ),
    "a grey picture": (
        classifier(inputs=[written.tensor("image", color=written.GRAYSCALE)]),
        "GRAYSCALE for an",
        "dog",
    ),
    "no standard deviation": (
        classifier(inputs=[written.tensor("image", mean=[0], std=[0])]),
        "normalization of input 0 with mean [0.0] and std [0.0] cannot be",
        "dog",
    ),
    "a normalisation of two values": (
        classifier(inputs=[written.tensor("image", mean=[1, 2], std=[3, 4])]),
        "normalization of 2 values for an input with 3 channels",
        "dog",
    ),
    "labels under another name": (
        classifier(outputs=[written.tensor("p", labels="gone.txt")]),
        "it names the labels 'gone.txt', which are not there",
        "dog",
    ),
    "labels that are not there": (
        classifier(outputs=[written.tensor("p", labels="gone.txt")]) | {"files": {}},
        "it names the labels 'gone.txt', which are not there",
        "1",
    ),
    "too few labels": (
        classifier(outputs=[written.tensor("p", labels="labels.txt")]) | {"files": {"labels.txt": "cat\ndog"}},
        "there are 2 labels for 3 classes: classes are numbers",
        "1",
    ),
    "a threshold of 50": (
        classifier(outputs=[written.tensor("p", threshold=50)]),
        "score threshold 50 of output 0 does not lie in 0..1",
        "dog",
    ),
    "no calibration": (
        classifier(outputs=[written.tensor("p", labels="labels.txt", calibration="gone.csv")]),
        "the scores of",
        "dog",
    ),
}


@pytest.mark.parametrize("name", RIGHT_ALL_THE_SAME)
def test_metadata_that_cannot_be_is_left_out_aloud(
    opened: Callable[..., Model], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    parts, warning, answer = RIGHT_ALL_THE_SAME[name]
    assert best(opened(PROBABILITIES, **parts)) == answer
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "m.tflite" in caplog.text
    assert warning in caplog.text


NAMES = ("location", "category", "score", "number of detections")
WRONG_DETECTORS: dict[str, tuple[list[Any], str]] = {
    "three outputs": ([written.tensor(name) for name in NAMES[:3]], "it describes 3 outputs, the model has 4"),
    "a box index out of range": (
        [written.tensor("location", box=(1, 0, 3, 7)), *map(written.tensor, NAMES[1:])],
        "box index [1, 0, 3, 7] of output 0 is no order of four numbers",
    ),
    "names in another order": (
        [written.tensor(name) for name in (NAMES[2], NAMES[0], NAMES[3], NAMES[1])],
        "ordered by the shapes; the names in the TFLite metadata contradict them",
    ),
}


@pytest.mark.parametrize("name", WRONG_DETECTORS)
def test_a_detector_with_wrong_metadata_gives_the_right_boxes(
    opened: Callable[..., Model], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    outputs, warning = WRONG_DETECTORS[name]
    model = opened(SSD, {"kind": "ssd"}, metadata=written.metadata(outputs=outputs), files=LABELS)
    (found,) = asked(model)
    assert (found.label, found.score) == ("dog", pytest.approx(0.9))
    assert found.box == pytest.approx((20, 10, 60, 50))
    assert warning in caplog.text


def test_what_a_float_input_needs_is_asked_for_and_the_user_wins(opened: Callable[..., Model]) -> None:
    wrong = classifier(inputs=[written.tensor("image", mean=[0], std=[0])])
    with pytest.raises(ModelError, match="takes floats and the file does not say how pixels are normalised: give mean"):
        opened(PROBABILITIES, dtype="float32", **wrong)
    assert best(opened(PROBABILITIES, {"mean": 127.5, "std": 127.5}, dtype="float32", **wrong)) == "dog"


def test_labels_of_the_user_that_do_not_fit_are_refused(opened: Callable[..., Model]) -> None:
    with pytest.raises(ModelError, match="there are 2 labels for the 3 classes"):
        opened(PROBABILITIES, {"labels": ["a", "b"]}, output_scales=SCALE)


def test_outputs_that_fit_no_decoder_are_listed_with_the_choices(opened: Callable[..., Model]) -> None:
    with pytest.raises(ModelError) as caught:
        opened({"a": np.zeros((1, 7, 5), np.float32), "b": np.zeros((3, 2), np.float32)})
    first, *choices = str(caught.value).splitlines()
    assert "cannot be known from the file (its outputs: a [1, 7, 5] float32, b [3, 2] float32)" in first
    assert "--decoder, or decode: {kind: ...}" in first
    assert {line.split()[0] for line in choices} >= {"ssd", "ssd-raw", "classify", "segment", "regress", "tensors"}


def test_damaged_metadata_is_refused(opened: Callable[..., Model]) -> None:
    whole = written.metadata(outputs=[written.tensor("p", labels="labels.txt")])["TFLITE_METADATA"]
    with pytest.raises(ModelError, match=r"the metadata of .*m\.tflite is damaged"):
        opened(PROBABILITIES, output_scales=SCALE, metadata={"TFLITE_METADATA": whole[:40]})
    with pytest.raises(ModelError, match="no metadata identifier M001"):
        opened(PROBABILITIES, output_scales=SCALE, metadata={"TFLITE_METADATA": b"nothing at all"})


def test_a_kind_that_does_not_fit_the_outputs_says_so(opened: Callable[..., Model]) -> None:
    for kind in ("ssd", "ssd-raw", "efficientdet", "blazeface", "segment"):
        with pytest.raises(ModelError, match="output"):
            opened(PROBABILITIES, {"kind": kind}, output_scales=SCALE)
