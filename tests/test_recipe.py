import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.metadata import (
    AssociatedFile,
    BoxContent,
    FeatureContent,
    ImageContent,
    Metadata,
    Normalization,
    ProcessUnits,
    ScoreCalibration,
    TensorMetadata,
)
from edge_infer.bundle.model_file import ModelFile, Signature
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.kind import Clues, Recipe
from edge_infer.kinds.registry import kind_of
from edge_infer.recipe import make_recipe, merged, said_by_metadata
from edge_infer.types import Classes, Detections, Geometry, Tensors, TensorSpec

FLOAT, BYTE = np.dtype(np.float32), np.dtype(np.uint8)
PROBABILITIES = TensorSpec("probabilities", (1, 3), BYTE, (1 / 256,), (0,))
SSD_OP = "TFLite_Detection_PostProcess"
FACE_OUTPUTS = (TensorSpec("boxes", (1, 896, 16), FLOAT), TensorSpec("scores", (1, 896, 1), FLOAT))
SSD_OUTPUTS = tuple(TensorSpec(f"op:{i}", (), FLOAT) for i in range(4))
NOTHING = Metadata("", "", "", "", "", (), (), ProcessUnits(), ())
SAME = Geometry((100, 100), (100, 100))


def model(outputs: tuple[TensorSpec, ...] = (PROBABILITIES,), last: str = "SOFTMAX", **parts: Any) -> ModelFile:
    path = Path("m.tflite")
    image = TensorSpec("image", (1, 128, 128, 3), BYTE)
    whole = ModelFile(
        path, 0, "", (image,), outputs, (last,), frozenset(), (last,) * len(outputs), {}, {}, {}, modified_ns=0
    )
    return replace(whole, **parts)


def bundle(**parts: Any) -> Bundle:
    return Bundle(name="m", version="", cpu=Path("m.tflite"), edgetpu=None, sha256={}, **parts)


@pytest.fixture
def recipe_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """A recipe, where the file's metadata is what the test says."""

    def recipe_of(
        file: ModelFile,
        metadata: Metadata | None = None,
        prepare: Prepare | None = None,
        decode: Decode | None = None,
        labels: Path | list[str] | None = None,
        **parts: Any,
    ) -> Recipe:
        monkeypatch.setattr("edge_infer.recipe.read_metadata", lambda _model: metadata)
        return make_recipe(bundle(**parts), file, prepare or Prepare(), decode or Decode(), labels)

    return recipe_of


KINDS = [
    ("the SSD op", model(SSD_OUTPUTS, SSD_OP), "ssd"),
    ("two outputs of faces", model(FACE_OUTPUTS, "CONCATENATION"), "blazeface"),
    ("a softmax", model((replace(PROBABILITIES, scale=()),)), "classify"),
    ("a softmax in each of two heads", model((PROBABILITIES, PROBABILITIES)), "classify"),
    ("independent classes", model((replace(PROBABILITIES, scale=()),), "LOGISTIC"), "classify"),
    ("a quantised probability", model(last="QUANTIZE"), "classify"),
    (
        "a label for each class",
        model((replace(PROBABILITIES, scale=()),), "RESHAPE", files={"labels.txt": b"a\nb\nc\n"}),
        "classify",
    ),
]


@pytest.mark.parametrize(("file", "kind"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS])
def test_the_decoder_is_found_from_the_model(recipe_of: Callable[..., Recipe], file: ModelFile, kind: str) -> None:
    recipe = recipe_of(file)
    assert recipe.kind == kind
    assert recipe.found["task"] not in ("you", "the manifest")


UNKNOWN = [
    ("numbers", model((TensorSpec("e", (1, 128), FLOAT),), "FULLY_CONNECTED")),
    ("a map", model((replace(PROBABILITIES, shape=(1, 9, 9, 21)),))),
    ("one number", model((replace(PROBABILITIES, shape=(1, 1)),), "LOGISTIC")),
    ("two outputs", model((PROBABILITIES, PROBABILITIES), "RESHAPE")),
    ("labels of another number", model((replace(PROBABILITIES, scale=()),), "RESHAPE", files={"labels.txt": b"a\nb"})),
]


@pytest.mark.parametrize("file", [row[1] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_what_cannot_be_known_is_asked_for(recipe_of: Callable[..., Recipe], file: ModelFile) -> None:
    with pytest.raises(ModelError, match=r"with --decoder, .*configuration:\n +ssd +boxes"):
        recipe_of(file)
    floats = replace(file, inputs=(TensorSpec("image", (1, 128, 128, 3), FLOAT),))
    with pytest.raises(ModelError, match=r"with --decoder, .*; and how pixels become floats, with --mean and --std"):
        recipe_of(floats)
    assert recipe_of(file, decode=Decode(kind="tensors")).task == "tensors"


def test_the_manifest_names_the_decoder_and_the_user_has_the_last_word(recipe_of: Callable[..., Recipe]) -> None:
    said = Decode(kind="tensors")
    assert recipe_of(model(), decode=Decode(kind="classify")).found["task"] == "you"
    recipe = make_recipe(bundle(decode=said), model(), Prepare(), Decode())
    assert (recipe.kind, recipe.found["task"]) == ("tensors", "the manifest")
    recipe = make_recipe(bundle(decode=said), model(), Prepare(), Decode(kind="classify"))
    assert (recipe.kind, recipe.found["task"]) == ("classify", "you")


SAYS_MUCH = replace(
    NOTHING,
    inputs=(
        TensorMetadata(normalization=Normalization((1.0,), (2.0,)), content=ImageContent("RGB")),
        TensorMetadata(content=ImageContent("GRAYSCALE")),
    ),
    outputs=(TensorMetadata(score_threshold=0.25),),
)


def test_who_says_more_wins_and_is_remembered(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(
        model(),
        SAYS_MUCH,
        prepare=Prepare(mean=(9.0,)),
        decode=Decode(top_k=1),
    )
    assert recipe.prepare.mean == (9.0,)
    assert recipe.prepare.std == (2.0,)
    assert recipe.decode.top_k == 1
    assert recipe.decode.min_score == 0.25
    assert recipe.found["mean"] == recipe.found["top_k"] == "you"
    assert recipe.found["std"] == recipe.found["min_score"] == "the metadata in the model"


def test_the_manifest_stands_between_user_and_metadata() -> None:
    found: dict[str, str] = {}
    fields = merged((Decode(), Decode(min_score=0.3), Decode(min_score=0.1, iou=0.2), Decode(top_k=5)), found)
    assert (fields.min_score, fields.iou, fields.top_k, fields.nms) == (0.3, 0.2, 5, None)
    assert found == {
        "min_score": "the manifest",
        "iou": "the metadata in the model",
        "top_k": "usual for this decoder",
    }


def test_a_value_of_zero_is_said_and_not_left_out() -> None:
    assert merged((Decode(min_score=0.0), Decode(), Decode(), Decode(min_score=0.5)), {}).min_score == 0.0


def test_faces_are_letterboxed_and_normalised_where_nobody_says_otherwise(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(model(FACE_OUTPUTS, "CONCATENATION"))
    assert recipe.prepare.resize == "letterbox"
    assert recipe.prepare.mean == recipe.prepare.std == (127.5,)
    assert recipe.decode.iou == 0.3
    assert recipe.labels == ("face",)


GRAY_INPUT = (TensorSpec("image", (1, 28, 28, 1), BYTE),)


def test_metadata_tells_grey_inputs_and_thresholds_of_the_whole() -> None:
    grey = TensorMetadata(content=ImageContent("GRAYSCALE"))
    said = replace(NOTHING, inputs=(grey,), output_process=ProcessUnits(score_threshold=0.75))
    prepare, decode = said_by_metadata(Clues(model(inputs=GRAY_INPUT), said), [])
    assert prepare.color == "gray"
    assert decode.min_score == 0.75
    assert said_by_metadata(Clues(model()), []) == (Prepare(), Decode())
    assert said_by_metadata(Clues(model(), NOTHING), []) == (Prepare(), Decode())


@pytest.mark.parametrize(
    ("inputs", "color", "doubt"),
    [(None, "GRAYSCALE", "GRAYSCALE for an input with 3 channels"), (GRAY_INPUT, "RGB", "RGB for an input with 1 ch")],
)
def test_a_colour_that_the_input_has_no_channels_for_is_not_believed(
    recipe_of: Callable[..., Recipe], inputs: Any, color: str, doubt: str
) -> None:
    file = model(**({"inputs": inputs} if inputs else {}))
    recipe = recipe_of(file, replace(NOTHING, inputs=(TensorMetadata(content=ImageContent(color)),)))
    assert recipe.prepare.color is None
    assert recipe.doubts[0].startswith(doubt)


def test_the_normalisation_is_that_of_the_picture_and_fits_its_channels(recipe_of: Callable[..., Recipe]) -> None:
    state = TensorSpec("state", (1, 8), FLOAT)
    file = model(inputs=(state, *model().inputs))
    said = (TensorMetadata(), TensorMetadata(normalization=Normalization((1.0,), (2.0,))))
    recipe = recipe_of(file, replace(NOTHING, inputs=said), decode=Decode(kind="classify"))
    assert recipe.prepare.mean == (1.0,)
    two = replace(NOTHING, inputs=(TensorMetadata(normalization=Normalization((1.0, 2.0), (1.0, 2.0))),))
    recipe = recipe_of(model(), two)
    assert (recipe.prepare.mean, recipe.doubts) == (
        None,
        ("normalization of 2 values for an input with 3 channels",),
    )


def quantised(dtype: Any, scale: float, zero_point: int) -> TensorSpec:
    return TensorSpec("image", (1, 128, 128, 3), np.dtype(dtype), (scale,), (zero_point,))


@pytest.mark.parametrize(
    ("spec", "mean", "std", "believed"),
    [
        (quantised(np.uint8, 1 / 128, 128), 127.5, 127.5, True),
        (quantised(np.int8, 1 / 255, -128), 0.0, 255.0, True),
        (quantised(np.uint8, 0.012566, 131), 127.0, 128.0, True),  # EfficientNet-Lite
        (quantised(np.uint8, 1 / 128, 128), 0.0, 1.0, False),
        (quantised(np.uint8, 1 / 128, 128), 0.0, 255.0, False),
        (quantised(np.int8, 1.0, -128), 127.5, 127.5, False),
        (quantised(np.uint8, 0.0, 0), 127.5, 127.5, True),  # not quantised: it makes no difference
        (replace(quantised(np.float32, 0.0, 0), scale=(), zero_point=()), 0.0, 1.0, True),
    ],
)
def test_a_normalisation_that_the_input_is_not_quantised_for_is_not_believed(
    recipe_of: Callable[..., Recipe], spec: TensorSpec, mean: float, std: float, believed: bool
) -> None:
    said = replace(NOTHING, inputs=(TensorMetadata(normalization=Normalization((mean,), (std,))),))
    recipe = recipe_of(model(inputs=(spec,)), said)
    assert recipe.prepare.mean == ((mean,) if believed else None)
    assert len(recipe.doubts) == (0 if believed else 1)
    if not believed:
        assert "for an input that is quantised for another" in recipe.doubts[0]
        assert "mean" not in recipe.found
    by_you = recipe_of(model(inputs=(spec,)), said, prepare=Prepare(mean=(mean,), std=(std,)))
    assert (by_you.prepare.mean, by_you.doubts) == ((mean,), ())


def test_the_usual_normalisation_is_for_inputs_of_that_range_and_floats(recipe_of: Callable[..., Recipe]) -> None:
    whole = quantised(np.int8, 1.0, -128)  # 0..255
    recipe = recipe_of(model(SSD_OUTPUTS, SSD_OP, inputs=(whole,)))
    assert (recipe.prepare.mean, recipe.doubts) == (None, ())
    floats = recipe_of(model(SSD_OUTPUTS, SSD_OP, inputs=(TensorSpec("image", (1, 8, 8, 3), FLOAT),)))
    assert floats.prepare.mean == (127.5,)


@pytest.mark.parametrize(
    ("files", "labels", "doubt"),
    [
        ({}, (), "it names the labels 'gone.txt', which are not there"),
        ({"labels.txt": b"a\nb\nc"}, ("a", "b", "c"), "it names the labels 'gone.txt', which are not there"),
    ],
)
def test_labels_that_are_named_and_not_there_are_missed_aloud(
    recipe_of: Callable[..., Recipe], files: dict[str, bytes], labels: tuple[str, ...], doubt: str
) -> None:
    output = TensorMetadata(files=(AssociatedFile("gone.txt", "TENSOR_AXIS_LABELS", ""),))
    recipe = recipe_of(model(files=files), replace(NOTHING, outputs=(output,)))
    assert (recipe.labels, recipe.doubts) == (labels, (doubt,))


def test_labels_in_the_model_that_are_too_few_are_not_used(
    recipe_of: Callable[..., Recipe], caplog: pytest.LogCaptureFixture
) -> None:
    recipe = recipe_of(model(files={"labels.txt": b"a\nb"}))
    assert (recipe.labels, recipe.found["labels"]) == ((), "nothing: classes are numbers")
    assert "the metadata of m.tflite is not believed: there are 2 labels for 3 classes" in caplog.text
    with pytest.raises(ModelError, match="there are 2 labels for the 3 classes"):
        decoded(recipe_of(model(), labels=["a", "b"]), model(), [np.uint8([[1, 2, 3]])])


def test_labels_of_a_detector_are_found_whatever_the_order_of_its_outputs(recipe_of: Callable[..., Recipe]) -> None:
    file = model(SSD_OUTPUTS, SSD_OP, files={"a.txt": b"cat", "b.txt": b"no"})
    said = [TensorMetadata()] * 3 + [TensorMetadata(files=(AssociatedFile("a.txt", "TENSOR_VALUE_LABELS", ""),))]
    assert recipe_of(file, replace(NOTHING, outputs=tuple(said))).labels == ("cat",)


def test_labels_are_those_of_the_user_or_the_manifest_or_the_model(
    recipe_of: Callable[..., Recipe], tmp_path: Path
) -> None:
    file = model(files={"labels.txt": b"m0\nm1\nm2"})
    mine, theirs = tmp_path / "mine.txt", tmp_path / "theirs.txt"
    mine.write_text("a\nb\nc\n")
    theirs.write_text("x\ny\nz\n")
    assert recipe_of(file).labels == ("m0", "m1", "m2")
    assert recipe_of(file).found["labels"] == "the files in the model"
    assert make_recipe(bundle(labels=theirs), file, Prepare(), Decode()).labels == ("x", "y", "z")
    assert make_recipe(bundle(labels=theirs), file, Prepare(), Decode(), mine).labels == ("a", "b", "c")
    assert make_recipe(bundle(labels=theirs), file, Prepare(), Decode(), ["p", "q", "r"]).labels == ("p", "q", "r")
    assert recipe_of(model()).labels == ()


def test_a_labels_file_that_is_not_there_is_named(recipe_of: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot read the labels .*none\.txt"):
        recipe_of(model(), labels=tmp_path / "none.txt")


def decoded(recipe: Recipe, file: ModelFile, outputs: list[Any]) -> Any:
    decoder = kind_of(recipe.kind).build(recipe, file.outputs, [np.shape(output) for output in outputs])
    assert decoder.task == recipe.task
    return decoder(outputs, SAME)


def test_a_classifier_gets_its_threshold_labels_and_filter(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(model(), decode=Decode(min_score=0.1, deny=("b",)), labels=["a", "b", "c"])
    found = decoded(recipe, model(), [np.uint8([[10, 200, 100]])])
    assert isinstance(found, Classes)
    assert found.labels == ("c",)


def test_a_classifier_is_calibrated_by_the_file_its_metadata_names(recipe_of: Callable[..., Recipe]) -> None:
    files = (AssociatedFile("calibration.csv", "TENSOR_AXIS_SCORE_CALIBRATION", ""),)
    output = TensorMetadata(score_calibration=ScoreCalibration("IDENTITY", 0.0), files=files)
    file = model(files={"calibration.csv": b"1,0,0\n1,1,0\n1,-100,0\n"})
    recipe = recipe_of(file, replace(NOTHING, outputs=(output,)))
    found = decoded(recipe, file, [np.uint8([[128, 128, 255]])])
    assert found.class_ids.tolist() == [1, 0, 2]
    assert found.scores.tolist() == pytest.approx([1 / (1 + math.exp(-0.5)), 0.5, 0.0], abs=1e-6)


def ssd_outputs() -> list[Any]:
    return [np.float32([[[10, 20, 30, 40]]]), np.float32([[0]]), np.float32([[0.5]]), np.float32([1])]


@pytest.mark.parametrize(
    ("content", "box"),
    [
        (BoxContent((1, 0, 3, 2), "BOUNDARIES", "PIXEL"), [20, 10, 40, 30]),
        (BoxContent((), "BOUNDARIES", "PIXEL"), [10, 20, 30, 40]),
        (BoxContent((0, 1, 2, 3), "UPPER_LEFT", "PIXEL"), [10, 20, 40, 60]),
        (BoxContent((0, 1, 2, 3), "CENTER", "PIXEL"), [0, 0, 25, 40]),
        (BoxContent((0, 1, 2, 3), "CENTER", "RATIO"), [0, 0, 100, 100]),
        (BoxContent((0, 1, 2, 3), "unknown", "PIXEL"), [100, 100, 100, 100]),  # the op's own: a share of the input
        (FeatureContent(), [100, 100, 100, 100]),
    ],
)
def test_a_detector_reads_boxes_as_the_metadata_says(
    recipe_of: Callable[..., Recipe], content: Any, box: list[float]
) -> None:
    file = model(SSD_OUTPUTS, SSD_OP)
    outputs = tuple(TensorMetadata(content=content if i == 0 else None) for i in range(4))
    found = decoded(recipe_of(file, replace(NOTHING, outputs=outputs)), file, ssd_outputs())
    assert isinstance(found, Detections)
    assert found.boxes[0].tolist() == box


def test_a_detector_finds_its_outputs_by_their_signature(recipe_of: Callable[..., Recipe]) -> None:
    signature = Signature({}, {"output_3": 1, "output_2": 3, "output_1": 0, "output_0": 2})
    file = model(SSD_OUTPUTS, SSD_OP, signatures={"serving_default": signature})
    boxes, classes, scores, count = ssd_outputs()
    found = decoded(recipe_of(file, labels=["cat"]), file, [scores, boxes, count, classes])
    assert found.labels == ("cat",)
    assert found.scores.tolist() == [0.5]


def test_faces_are_decoded_for_the_size_of_the_input(recipe_of: Callable[..., Recipe]) -> None:
    file = model(FACE_OUTPUTS, "CONCATENATION")
    scores = np.full((1, 896, 1), -9, np.float32)
    scores[0, 0] = 9
    found = decoded(recipe_of(file), file, [np.ones((1, 896, 16), np.float32), scores])
    assert found.labels == ("face",)
    assert found.boxes[0].tolist() == pytest.approx([4.5, 4.5, 5.5, 5.5])


def test_raw_tensors_are_given_by_name(recipe_of: Callable[..., Recipe]) -> None:
    found = decoded(recipe_of(model(), decode=Decode(kind="tensors")), model(), [np.uint8([[0, 128, 255]])])
    assert isinstance(found, Tensors)
    assert dict(found)["probabilities"].tolist() == [[0.0, 0.5, 255 / 256]]
