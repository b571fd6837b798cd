from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle.labels import labels_from, parse_labels
from edge_infer.bundle.metadata import AssociatedFile, Metadata, ProcessUnits, TensorMetadata, read_metadata
from edge_infer.bundle.model_file import ModelFile, read_model

TEXTS = {
    "plain lines": ("cat\ndog\n", ("cat", "dog")),
    "no line end": ("cat\ndog", ("cat", "dog")),
    "lines of Windows with a byte order mark": ("\ufeffcat\r\ndog\r\n", ("cat", "dog")),
    "spaces around": ("  cat \n\tdog\n", ("cat", "dog")),
    "spaces within": ("great white shark\n", ("great white shark",)),
    "numbers": ("0 cat\n1 dog\n", ("cat", "dog")),
    "numbers with colons": ("0: cat\n1:dog\n2 : cow\n", ("cat", "dog", "cow")),
    "numbers with gaps": ("1 cat\n\n4  dog\n", ("", "cat", "", "", "dog")),
    "numbers behind a byte order mark": ("\ufeff0 cat\n1 dog\n", ("cat", "dog")),
    "one label that begins with a number": ("car\n3 wheeler\nbus\n", ("car", "3 wheeler", "bus")),
    "labels that begin with numbers that do not rise": ("4 wheeler\n3 wheeler\n", ("4 wheeler", "3 wheeler")),
    "a number twice": ("1 cat\n1 dog\n", ("1 cat", "1 dog")),
    "digits": ("0\n1\n2\n", ("0", "1", "2")),
    "a number without a label": ("0 cat\n1:\n2 dog\n", ("cat", "", "dog")),
    "placeholders": ("cat\n???\nN/A\ndog\n", ("cat", "", "", "dog")),
    "placeholders with numbers": ("0 ???\n1 cat\n", ("", "cat")),
    "an empty line between": ("cat\n\ndog\n", ("cat", "", "dog")),
    "an empty first line": ("\ncat\n", ("", "cat")),
    "empty lines at the end": ("cat\n\n\n", ("cat",)),
    "nothing": ("", ()),
    "only empty lines": ("\n \n", ()),
    "letters of other scripts": ("猫\nchien d'été\n", ("猫", "chien d'été")),
    "a number that would fill the memory": ("999999999999 cat\n", ("999999999999 cat",)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_labels_are_read_line_by_line(name: str) -> None:
    text, labels = TEXTS[name]
    assert parse_labels(text) == labels


words = st.text(st.characters(categories=["L"]), min_size=1)


@given(st.lists(words))
def test_what_is_written_is_read_plain_and_numbered(labels: list[str]) -> None:
    assert parse_labels("\n".join(labels)) == tuple(labels)
    assert parse_labels("".join(f"{i} {label}\r\n" for i, label in enumerate(labels))) == tuple(labels)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert all(label == label.strip() for label in parse_labels(text))


# ---------------------------------------------------------------------------------------------------- from a model


def model(files: Mapping[str, bytes]) -> ModelFile:
    nothing: Any = {}
    return ModelFile(Path("m.tflite"), 0, "", (), (), (), frozenset(), (), nothing, nothing, files, 0)


def metadata(*files: AssociatedFile) -> Metadata:
    return Metadata("", "", "", "", "", (), (TensorMetadata(), TensorMetadata(files=files)), ProcessUnits(), ())


ENGLISH = AssociatedFile("labels_en.txt", "TENSOR_AXIS_LABELS", "en")
GERMAN = AssociatedFile("labels_de.txt", "TENSOR_AXIS_LABELS", "de")
VALUES = AssociatedFile("map.txt", "TENSOR_VALUE_LABELS", "")
FILES = {"labels_en.txt": b"cat", "labels_de.txt": b"Katze", "map.txt": b"tom"}


@pytest.mark.parametrize(
    ("files", "output", "expected"),
    [
        ([ENGLISH, GERMAN], 1, ("cat",)),
        ([GERMAN, ENGLISH], 1, ("Katze",)),
        ([VALUES], 1, ("tom",)),
        ([VALUES], 0, ()),
        ([VALUES], 9, ()),
        ([AssociatedFile("map.txt", "VOCABULARY", "")], 1, ()),
        ([AssociatedFile("gone.txt", "TENSOR_AXIS_LABELS", ""), ENGLISH], 1, ("cat",)),
    ],
)
def test_the_metadata_of_the_output_names_its_labels(files: list[Any], output: int, expected: tuple[str, ...]) -> None:
    assert labels_from(model(FILES), metadata(*files), output) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"LabelMap.txt": b"cat"}, ("cat",)),
        ({"LabelMap.txt": b"cat", "vocabulary.txt": b"word"}, ("cat",)),
        (FILES, ()),
        ({"classes.txt": b"cat"}, ()),
        ({}, ()),
    ],
)
def test_without_metadata_the_only_file_named_like_labels_holds_them(
    files: dict[str, bytes], expected: tuple[str, ...]
) -> None:
    assert labels_from(model(files), None, 0) == expected


def test_labels_that_are_not_utf8_do_not_stop_the_model() -> None:
    assert labels_from(model({"labels.txt": b"caf\xe9\nbar"}), None, 0) == ("caf�", "bar")


@pytest.mark.parametrize(
    ("name", "output", "labels"),
    [
        ("coco_ssd_mobilenet_v1_1.0_quant_2018_06_29", 1, {0: "person", 16: "cat", 17: "dog"}),
        ("mobilenet_v1_0.25_224_quant", 0, {0: "background", 934: "cheeseburger", 1000: "toilet tissue"}),
        ("yamnet_audio_classifier_with_metadata", 0, {0: "Speech", 520: "Field recording"}),
    ],
)
def test_labels_of_real_models(testdata: Path, name: str, output: int, labels: dict[int, str]) -> None:
    file = read_model(testdata / "models" / f"{name}.tflite")
    found = labels_from(file, read_metadata(file), output)
    assert {class_id: found[class_id] for class_id in labels} == labels


def test_a_model_with_files_but_no_metadata_has_labels(testdata: Path) -> None:
    file = read_model(testdata / "models" / "mobilenet_v1_0.25_224_quant.tflite")
    assert len(labels_from(replace(file, metadata={}), None, 0)) == 1001


@pytest.mark.parametrize(("name", "count"), [("coco", 90), ("imagenet", 1001)])
def test_label_files_of_other_projects_are_read(testdata: Path, name: str, count: int) -> None:
    labels = parse_labels((testdata / "labels" / f"{name}_labels.txt").read_text())
    assert len(labels) == count
