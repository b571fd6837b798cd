"""A bundle that was made of a file gives the same answers as the file."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import msgspec
import numpy as np
import pytest
from echoes import ECHOES, LABELS, ZERO_TO_ONE
from hypothesis import given
from hypothesis import strategies as st
from tflite_writer import ADD, RESHAPE, Graph, Op, Tensor, model_bytes, write_answers

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.labels import parse_labels
from edge_infer.bundle.manifest import Manifest
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.bundle.model_file import read_model
from edge_infer.decode.anomaly import Normal
from edge_infer.decode.gallery import Gallery
from edge_infer.errors import EdgeInferError, InputError, ModelError, UsageError
from edge_infer.golden import golden_problems
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.kinds.gallery_file import write_gallery
from edge_infer.kinds.normal_file import normal_bytes
from edge_infer.kinds.registry import built_in
from edge_infer.loading import load
from edge_infer.tools.bundle_explicit import label_lines
from edge_infer.tools.bundle_made import Created, Wanted, create_bundle
from edge_infer.tools.bundle_tested import noticed

FACES = Path(__file__).resolve().parents[2] / "models/face-detection"


def written(path: Path, picture: Any) -> Path:
    cv2.imwrite(str(path), picture)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return written(tmp_path / "noise.png", np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8))


def created(model: Path, folder: Path, *pictures: Path, **said: Any) -> Created:
    """A bundle in `folder`; `said` is of `Wanted`, or else for the model."""
    mine = {name: said.pop(name) for name in list(said) if name in Wanted.__dataclass_fields__}
    return create_bundle(model, Wanted(folder, pictures, {"device": "cpu", **said}, **mine))


def answers(model: Path, *pictures: Path, **options: Any) -> list[list[Any]]:
    """Everything of the predictions, to the last bit."""
    with load(model, device="cpu", **options) as loaded:
        found = [loaded(picture).prediction for picture in pictures]
    comparisons = [next(c for c in COMPARISONS.values() if isinstance(one, c.prediction)) for one in found]
    return [
        [(name, value.tobytes()) for name, value in comparison.record(one).items()]
        for comparison, one in zip(comparisons, found, strict=True)
    ]


# What a person must say of each model, and what is said for it by the file.
REAL = {
    "ssd": ("coco_ssd_mobilenet_v1_1.0_quant_2018_06_29", "cats_and_dogs.jpg", {}),
    "mobilenet with metadata": ("mobilenet_v1_0.25_224_quant", "burger.jpg", {}),
    "mobilenet": ("mobilenet_v2_1.0_224_quant", "cat.bmp", {"task": "classify", "top_k": 3, "min_score": 0.05}),
    "movenet": ("movenet_single_pose_lightning_ptq", "squat.bmp", {}),
    "deeplab": ("deeplabv3_mnv2_dm05_pascal_quant", "bird_segmentation.bmp", {}),
    "digits": ("keras_lstm_mnist_ptq", "mnist_nine.bmp", {"kind": "classify", **ZERO_TO_ONE}),
}


@pytest.mark.parametrize("name", REAL)
def test_bundles_of_real_models_answer_as_the_files_do(name: str, models: Path, inputs: Path, tmp_path: Path) -> None:
    file, shown, said = REAL[name]
    model, picture = models / f"{file}.tflite", inputs / shown
    created(model, tmp_path / "bundle", picture, **said)
    options = {key: value for key, value in said.items() if key != "task"}
    options |= {"kind": "classify"} if "task" in said else {}
    assert answers(tmp_path / "bundle", picture) == answers(model, picture, **options)


@pytest.mark.parametrize("name", ECHOES)
def test_bundles_of_each_kind_of_prediction_answer_as_the_files_do(name: str, tmp_path: Path) -> None:
    echo = ECHOES[name]
    model, shown = echo.write(tmp_path / "m.tflite"), written(tmp_path / "picture.png", echo.picture)
    options = echo.options | ({"labels": list(echo.labels)} if echo.labels else {})
    made = created(model, tmp_path / "bundle", shown, **options)
    assert made.manifest.decode.kind == echo.options["kind"]
    assert answers(tmp_path / "bundle", shown) == answers(model, shown, **options)


def test_a_bundle_of_another_bundle_keeps_what_that_says(tmp_path: Path) -> None:
    made = created(FACES, tmp_path / "faces", FACES / "sample.jpg", name="faces")
    was = read_manifest(FACES / "manifest.yaml")
    assert (made.manifest.name, made.manifest.version, made.manifest.license) == ("faces", "1.0.0", "Apache-2.0")
    assert (made.manifest.source, made.manifest.preprocess) == (was.source, was.preprocess)
    assert answers(tmp_path / "faces", FACES / "sample.jpg") == answers(FACES, FACES / "sample.jpg")
    assert made.doubts == []


def test_all_that_was_found_out_is_written_down(tmp_path: Path, picture: Path) -> None:
    metadata = {
        "metadata.json": '{"task": "classify", "names": {"0": "cat", "1": "dog"}, "imgsz": [64, 64], "license": "AGPL"}'
    }
    model = write_answers(tmp_path / "m.tflite", {"output": np.float32([[0.2, 0.8]])}, size=(64, 64), files=metadata)
    made = created(model, tmp_path / "bundle", picture)
    with load(model, device="cpu") as bare, load(tmp_path / "bundle", device="cpu") as bundled:
        assert bundled.recipe.prepare == replace(bare.recipe.prepare, color="rgb")
        assert bundled.recipe.decode == msgspec.structs.replace(bare.recipe.decode, kind=bare.recipe.kind)
        assert bundled.recipe.labels == bare.recipe.labels == ("cat", "dog")
    assert made.manifest.license == "AGPL"
    assert made.manifest.source is not None
    assert (made.manifest.source.file, made.manifest.source.sha256) == ("m.tflite", read_model(model).sha256)


def test_open_sizes_constants_and_states_are_written_down(tmp_path: Path, picture: Path) -> None:
    tensors = [
        Tensor("image", (1, 1, 1, 3), signature=(1, -1, -1, 3)),
        Tensor("bias", (1,)),
        Tensor("count_in", (1,)),
        Tensor("one", (1,), data=np.float32([1])),
        Tensor("flat_shape", (2,), "int32", np.int32([1, -1])),
        Tensor("flat", (1, 3), signature=(1, -1)),
        Tensor("sum", (1, 3), signature=(1, -1)),
        Tensor("vector", (1, 3), signature=(1, -1)),
        Tensor("count_out", (1,)),
    ]
    ops = [
        Op(RESHAPE, ["image", "flat_shape"], ["flat"]),
        Op(ADD, ["flat", "bias"], ["sum"]),
        Op(ADD, ["sum", "count_in"], ["vector"]),
        Op(ADD, ["count_in", "one"], ["count_out"]),
    ]
    model = tmp_path / "m.tflite"
    model.write_bytes(model_bytes(Graph(tensors, ["image", "bias", "count_in"], ["vector", "count_out"], ops)))
    said = {"kind": "tensors", "size": (4, 4), "inputs": {"bias": (2.0,)}, **ZERO_TO_ONE}
    made = created(model, tmp_path / "bundle", picture, picture, **said)
    prepare = made.manifest.preprocess
    assert (prepare.size, prepare.inputs, prepare.state) == ((4, 4), {"bias": (2.0,)}, {"count_in": "count_out"})
    found = answers(tmp_path / "bundle", picture, picture)
    assert found == answers(model, picture, picture, **said)
    assert found[0] == found[1], "pictures have nothing to do with each other"


@given(st.lists(st.text(max_size=6), max_size=4))
def test_labels_are_read_as_they_were_written(labels: list[str]) -> None:
    cleaned = tuple(" ".join(label.split()) for label in labels)
    said = tuple("" if label.lower() in ("???", "n/a") else label for label in cleaned)
    assert parse_labels(label_lines(labels)) == said


@pytest.mark.parametrize("labels", [("3 wheeler", "4 wheeler"), ("", "cat"), ("cat", ""), ("0: x",), ("cat", "16 dog")])
def test_labels_that_would_be_misread_are_numbered(labels: tuple[str, ...]) -> None:
    assert parse_labels(label_lines(labels)) == labels


def test_the_twin_for_the_edge_tpu_comes_along(models: Path, inputs: Path, tmp_path: Path) -> None:
    model, twin = (models / f"mobilenet_v1_0.25_128_quant{suffix}.tflite" for suffix in ("", "_edgetpu"))
    made = created(model, tmp_path / "bundle", inputs / "cat.bmp", kind="classify")
    assert made.manifest.model.edgetpu is not None
    assert made.manifest.model.edgetpu.sha256 == read_model(twin).sha256
    assert open_bundle(tmp_path / "bundle").edgetpu == tmp_path / "bundle/model_edgetpu.tflite"
    other = models / "keras_lstm_mnist_ptq_edgetpu.tflite"
    with pytest.raises(ModelError, match=r"was not compiled from .*: its inputs or outputs are others"):
        created(model, tmp_path / "other", kind="classify", edgetpu=other)
    with pytest.raises(ModelError, match=r"is not compiled for the Edge TPU"):
        created(model, tmp_path / "other", kind="classify", edgetpu=model)


def test_a_task_is_a_promise(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"taken for a model of the task detect, by .*, not classify: .*--decoder"):
        created(FACES / "model.tflite", tmp_path / "bundle", task="classify", kind="blazeface", labels=["face"])
    assert not (tmp_path / "bundle").exists()


def test_a_golden_test_that_proves_nothing_is_refused(tmp_path: Path) -> None:
    gray = written(tmp_path / "gray.png", np.full((100, 100, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"on none of the pictures the model is sure of anything"):
        created(FACES, tmp_path / "bundle", gray)
    assert not (tmp_path / "bundle").exists()
    made = created(FACES, tmp_path / "bundle", FACES / "sample.jpg", gray)
    assert made.doubts == [f"on {gray} the model is sure of nothing: it proves little"]
    with pytest.raises(InputError, match=r"at most 64 pictures, these are 65"):
        created(FACES, tmp_path / "more", *[gray] * 65)


def test_answers_that_are_no_numbers_prove_nothing(tmp_path: Path, picture: Path) -> None:
    model = ECHOES["tensors"].write(tmp_path / "m.tflite", add=float("nan"))
    with pytest.raises(ModelError, match=r"m gives NaN on picture 0: see that it is fed as it was trained"):
        created(model, tmp_path / "bundle", picture, **ECHOES["tensors"].options)


def test_a_gallery_comes_along(tmp_path: Path) -> None:
    echo = ECHOES["embedding"]
    model, shown = echo.write(tmp_path / "m.tflite"), written(tmp_path / "picture.png", echo.picture)
    vectors = np.eye(2, 192, dtype=np.float32)
    gallery = Gallery(vectors, ("ann", "bob"), ("", ""), (read_model(model).sha256,))
    write_gallery(tmp_path / "faces.npz", gallery)
    made = created(model, tmp_path / "bundle", shown, gallery=tmp_path / "faces.npz", **echo.options)
    assert made.manifest.decode.gallery == Path("gallery.npz")
    (tmp_path / "faces.npz").unlink()
    with load(tmp_path / "bundle", device="cpu") as loaded:
        nearest = loaded(shown).prediction.nearest  # type: ignore[union-attr]
        assert set(nearest.labels) == {"ann", "bob"}


def test_what_is_normal_comes_along(tmp_path: Path) -> None:
    echo = ECHOES["embedding"]
    model, shown = echo.write(tmp_path / "m.tflite"), written(tmp_path / "picture.png", echo.picture)
    normal = Normal(np.zeros(192, np.float32), np.ones(192, np.float32), np.zeros((1, 192), np.float32), 1.0)
    (tmp_path / "learned.npz").write_bytes(normal_bytes(normal, (read_model(model).sha256,)))
    options = echo.options | {"kind": "anomaly", "threshold": 2.0, "statistics": tmp_path / "learned.npz"}
    expected = answers(model, shown, **options)
    made = created(model, tmp_path / "bundle", shown, **options)
    assert (made.manifest.decode.statistics, made.manifest.decode.threshold) == (Path("normal.npz"), 2.0)
    (tmp_path / "learned.npz").unlink()
    assert answers(tmp_path / "bundle", shown) == expected


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    model = ECHOES["tensors"].write(tmp_path / "m.tflite")
    made = created(model, tmp_path / "bundle", **ECHOES["tensors"].options)
    assert made.manifest.license == "unknown"
    assert [doubt.split(":")[0] for doubt in made.doubts] == [
        "nobody says under which licence the model may be used",
        "the bundle has no golden test, so nobody can tell whether it works",
    ]
    with load(tmp_path / "bundle") as loaded:
        assert golden_problems(open_bundle(tmp_path / "bundle"), loaded) is None


def test_a_long_licence_gets_a_file(tmp_path: Path) -> None:
    text = "You may\nuse it.\n" * 20
    made = created(
        ECHOES["tensors"].write(tmp_path / "m.tflite"), tmp_path / "b", license=text, **ECHOES["tensors"].options
    )
    assert made.manifest.license == "see LICENSE"
    assert (tmp_path / "b/LICENSE").read_text() == text


def test_a_release_after_another_has_the_next_number_and_keeps_its_card(tmp_path: Path) -> None:
    model, folder = ECHOES["tensors"].write(tmp_path / "m.tflite"), tmp_path / "bundle"
    created(model, folder, version="1.0.0", **ECHOES["tensors"].options)
    assert "To be filled in" in (folder / "MODEL_CARD.md").read_text()
    (folder / "MODEL_CARD.md").write_text("by hand")
    made = created(model, folder, version="1.1.0", replace=True, **ECHOES["tensors"].options)
    assert (made.manifest.version, made.manifest.sequence) == ("1.1.0", 2)
    assert (folder / "MODEL_CARD.md").read_text() == "by hand"


def test_the_golden_test_says_what_it_would_notice(tmp_path: Path) -> None:
    echo = ECHOES["embedding"]
    shown = written(tmp_path / "picture.png", echo.picture)
    created(echo.write(tmp_path / "m.tflite"), tmp_path / "bundle", shown, **echo.options)
    assert noticed(tmp_path / "bundle", {"device": "cpu"}) == {
        "resized otherwise": True,
        "swapped colours": True,
        "normalised otherwise": True,
    }


def test_mistakes_that_cannot_be_made_are_left_out(tmp_path: Path) -> None:
    tensors = [
        Tensor("image", (1, 8, 8, 1), "uint8"),
        Tensor("s", (2,), "int32", (1, 64)),
        Tensor("out", (1, 64), "uint8"),
    ]
    (tmp_path / "m.tflite").write_bytes(
        model_bytes(Graph(tensors, ["image"], ["out"], [Op(RESHAPE, ["image", "s"], ["out"])]))
    )
    shown = written(tmp_path / "square.png", np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    created(tmp_path / "m.tflite", tmp_path / "bundle", shown, kind="tensors")
    assert noticed(tmp_path / "bundle", {"device": "cpu"}) == {"resized otherwise": False}, "the picture is square"


def test_a_bundle_works_elsewhere_without_what_it_was_made_of(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    echo = ECHOES["classes"]
    model, shown = echo.write(tmp_path / "m.tflite"), written(tmp_path / "picture.png", echo.picture)
    created(model, tmp_path / "bundle", shown, labels=tmp_path / "labels.txt", **echo.options)
    for path in (model, tmp_path / "labels.txt", shown):
        path.unlink()
    shutil.move(tmp_path / "bundle", tmp_path / "moved")
    with load(tmp_path / "moved", device="cpu") as loaded:
        assert golden_problems(open_bundle(tmp_path / "moved"), loaded) == []


@pytest.mark.parametrize("damage", ["cut", "no model", "no picture"])
def test_what_cannot_be_read_makes_no_bundle(tmp_path: Path, picture: Path, damage: str) -> None:
    model = ECHOES["tensors"].write(tmp_path / "m.tflite")
    if damage == "cut":
        model.write_bytes(model.read_bytes()[:200])
    elif damage == "no model":
        model.unlink()
    else:
        picture.write_bytes(b"nothing")
    with pytest.raises(EdgeInferError):
        created(model, tmp_path / "bundle", picture, **ECHOES["tensors"].options)
    assert not (tmp_path / "bundle").exists()


def test_a_manifest_knows_the_task_of_each_kind() -> None:
    (task,) = (field.type for field in msgspec.structs.fields(Manifest) if field.name == "task")
    assert {kind.task for kind in built_in()} <= set(get_args(get_args(task)[0]))
