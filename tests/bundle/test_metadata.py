from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from metadata_writer import packed, unit

from edge_infer.bundle.labels import labels_from
from edge_infer.bundle.metadata import (
    AssociatedFile,
    AudioContent,
    BoxContent,
    FeatureContent,
    ImageContent,
    Metadata,
    Normalization,
    ProcessUnits,
    ScoreCalibration,
    TensorMetadata,
    read_metadata,
)
from edge_infer.bundle.model_file import ModelFile, read_model
from edge_infer.errors import ModelError


@pytest.fixture
def read(write: Callable[..., Path]) -> Callable[[dict[int, Any]], Metadata]:
    model = read_model(write())

    def read(fields: dict[int, Any]) -> Metadata:
        metadata = read_metadata(replace(model, metadata={"TFLITE_METADATA": packed(fields)}))
        assert metadata is not None
        return metadata

    return read


def one_output(fields: dict[int, Any]) -> dict[int, Any]:
    return {3: [{3: [fields]}]}


def file_of(testdata: Path, name: str) -> ModelFile:
    return read_model(testdata / "models" / f"{name}.tflite")


def test_a_detector_says_what_its_tensors_are(testdata: Path) -> None:
    metadata = read_metadata(file_of(testdata, "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29"))
    assert metadata is not None
    assert (metadata.name, metadata.version, metadata.author) == ("Coco SSD MobileNetV1", "v1", "TensorFlow")
    assert metadata.license.startswith("Apache License. Version 2.0")
    (image,) = metadata.inputs
    assert (image.name, image.content) == ("image", ImageContent("RGB"))
    assert image.normalization == Normalization((127.5,), (127.5,))
    assert (image.minimum, image.maximum) == ((0.0,), (255.0,))
    assert [tensor.name for tensor in metadata.outputs] == ["locations", "classes", "scores", "number of detections"]
    assert metadata.outputs[0].content == BoxContent((1, 0, 3, 2), "BOUNDARIES", "RATIO")
    assert metadata.outputs[1].files == (AssociatedFile("labelmap.txt", "TENSOR_VALUE_LABELS", ""),)
    assert metadata.outputs[2].content == FeatureContent()


def test_an_audio_model_says_its_rate(testdata: Path) -> None:
    metadata = read_metadata(file_of(testdata, "yamnet_audio_classifier_with_metadata"))
    assert metadata is not None
    assert metadata.inputs[0].content == AudioContent(16000, 1)


def test_a_model_without_metadata_has_none(write: Callable[..., Path]) -> None:
    assert read_metadata(read_model(write())) is None


def test_all_process_units_are_read(read: Callable[..., Metadata]) -> None:
    units = [
        unit(1, _0=[1.0, 2.0, 3.0], _1=[4.0, 5.0, 6.0]),
        unit(2, _0=("Uint8", 2), _1=("Float32", 0.25)),
        unit(3, _0=("Float32", 0.5)),
        unit(4, _0="a tokenizer"),
    ]
    (output,) = read(one_output({0: "scores", 1: "one each", 4: units})).outputs
    assert (output.name, output.description) == ("scores", "one each")
    assert output.normalization == Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert output.score_calibration == ScoreCalibration("INVERSE_LOGISTIC", 0.25)
    assert output.score_threshold == 0.5


def test_process_units_of_the_whole_output_are_read(read: Callable[..., Metadata]) -> None:
    assert read({3: [{6: [unit(3, _0=("Float32", 0.5))]}]}).output_process == ProcessUnits(score_threshold=0.5)


def test_an_empty_description_gives_empty_values(read: Callable[..., Metadata]) -> None:
    assert read({}) == Metadata("", "", "", "", "", (), (), ProcessUnits(), ())
    assert read(one_output({})).outputs == (TensorMetadata(),)


@pytest.mark.parametrize(
    ("kind", "properties", "content"),
    [
        (2, {0: ("Int8", 2)}, ImageContent("GRAYSCALE")),
        (2, {}, ImageContent("unknown")),
        (3, {1: ("Int8", 3), 2: ("Int8", 1)}, BoxContent((), "CENTER", "PIXEL")),
        (9, {}, None),
    ],
)
def test_the_content_of_a_tensor_is_read(
    read: Callable[..., Metadata], kind: int, properties: dict[int, Any], content: object
) -> None:
    assert read(one_output({3: {0: ("Uint8", kind), 1: properties}})).outputs[0].content == content


def test_files_of_the_model_are_read_where_no_tensor_is_described(
    read: Callable[..., Metadata], testdata: Path
) -> None:
    metadata = read({0: "bare", 6: [{0: "labels.txt", 2: ("Int8", 2), 3: "en"}]})
    assert (metadata.inputs, metadata.outputs) == ((), ())
    assert metadata.files == (AssociatedFile("labels.txt", "TENSOR_AXIS_LABELS", "en"),)
    labels = labels_from(file_of(testdata, "mobilenet_v1_0.25_224_quant"), metadata, 0)
    assert labels[934] == "cheeseburger"


@pytest.mark.parametrize(
    ("mean", "std"), [([0.0], [0.0]), ([0.0], [-0.0]), ([], []), ([0.0], [1.0, 1.0]), ([float("nan")], [1.0])]
)
def test_a_normalisation_that_cannot_be_is_not_believed(read: Callable[..., Metadata], mean: Any, std: Any) -> None:
    metadata = read(one_output({4: [unit(1, _0=mean, _1=std)]}))
    assert metadata.outputs[0].normalization is None
    (doubt,) = metadata.doubts
    assert doubt.startswith("normalization of output 0 with mean [")


def test_what_is_said_of_another_number_of_tensors_is_left_out(read: Callable[..., Metadata]) -> None:
    metadata = read({3: [{2: [{0: "image"}], 3: [{0: "a"}, {0: "b"}]}]})
    assert (len(metadata.inputs), metadata.outputs) == (1, ())
    assert metadata.doubts == ("it describes 2 outputs, the model has 1: what it says of them is left out",)


@pytest.mark.parametrize("index", [[1, 0, 3, 7], [0, 0, 1, 2], [0, 1, 2], [0, 1, 2, 3, 4]])
def test_a_box_index_that_is_no_order_is_left_out(read: Callable[..., Metadata], index: list[int]) -> None:
    metadata = read(one_output({3: {0: ("Uint8", 3), 1: {0: index, 1: ("Int8", 1)}}}))
    assert metadata.outputs[0].content is None
    assert f"box index {index} of output 0 is no order of four numbers" in metadata.doubts[0]


@pytest.mark.parametrize("threshold", [-3.4e38, 1.5, float("nan")])
def test_a_threshold_that_no_score_can_have_is_left_out(read: Callable[..., Metadata], threshold: float) -> None:
    metadata = read(one_output({4: [unit(3, _0=("Float32", threshold))]}))
    assert metadata.outputs[0].score_threshold is None
    assert "does not lie in 0..1" in metadata.doubts[0]


def test_a_file_of_a_kind_that_is_newer_than_this_is_no_reason_to_refuse(read: Callable[..., Metadata]) -> None:
    (output,) = read(one_output({6: [{0: "x.bin", 2: ("Int8", 99)}]})).outputs
    assert output.files == (AssociatedFile("x.bin", "UNKNOWN", ""),)


def test_an_unknown_choice_is_refused(read: Callable[..., Metadata]) -> None:
    with pytest.raises(ModelError, match="7 is none of unknown, RGB, GRAYSCALE"):
        read(one_output({3: {0: ("Uint8", 2), 1: {0: ("Int8", 7)}}}))


def test_metadata_that_is_cut_is_refused(testdata: Path) -> None:
    model = file_of(testdata, "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29")
    whole = model.metadata["TFLITE_METADATA"]
    for cut in range(len(whole) - 4):  # the last 4 bytes are padding
        with pytest.raises(ModelError, match="metadata"):
            read_metadata(replace(model, metadata={"TFLITE_METADATA": whole[:cut]}))


def test_flipped_bytes_of_metadata_never_crash(testdata: Path) -> None:
    model = file_of(testdata, "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29")
    whole = model.metadata["TFLITE_METADATA"]
    for place in range(8, len(whole)):
        for value in (0, 0x7F, 0xFF):
            damaged = whole[:place] + bytes([value]) + whole[place + 1 :]
            with suppress(ModelError):
                read_metadata(replace(model, metadata={"TFLITE_METADATA": damaged}))
