"""Imprinted classifiers, against the arithmetic of pycoral's ImprintingEngine done by hand."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from l2_models import FACTOR, rows, write_l2_classifier
from tflite_writer import CONV_2D, FULLY_CONNECTED, write_answers

from edge_infer.bundle.model_file import read_model
from edge_infer.decode.gallery import Gallery
from edge_infer.errors import ModelError, UsageError
from edge_infer.kinds.gallery_file import write_gallery
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.tools.gallery import Known, added, embedded, files_of
from edge_infer.tools.gallery_imprint import write_extractor, write_imprinted
from edge_infer.types import Array, Classes, Embedding

COLORS = {"green": (30, 220, 40), "white": (240, 240, 240), "yellow": (20, 210, 220)}  # BGR
NORMALIZED = {"mean": 128.0, "std": 128.0}
KINDS: list[dict[str, Any]] = [
    {"layer": CONV_2D, "dtype": "uint8"},
    {"layer": CONV_2D, "dtype": "int8"},
    {"layer": CONV_2D, "dtype": "float32"},
    {"layer": FULLY_CONNECTED, "dtype": "float32"},
    {"layer": FULLY_CONNECTED, "dtype": "float32", "bias": False},
]


def shade(color: tuple[int, int, int], seed: int) -> Array:
    noise = np.random.default_rng(seed).normal(0, 12, (2, 2, 3))
    return np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)


def fill(model: Model, models: tuple[str, ...], colors: dict[str, tuple[int, int, int]] = COLORS) -> Gallery:
    new = []
    for label, color in colors.items():
        for seed in range(5):
            prediction = model(shade(color, seed)).prediction
            assert isinstance(prediction, Embedding)
            new.append((Known(label, Path(f"{label}{seed}")), prediction.vector))
    return added(None, models, new)


def imprint(folder: Path, classifier: Path, *, keep: bool = False) -> tuple[Path, Gallery]:
    """The new model, and the gallery it was made with."""
    out, extractor = folder / "imprinted.tflite", folder / "extractor.tflite"
    write_extractor(classifier, extractor)
    with load(extractor, **NORMALIZED) as model:  # type: ignore[arg-type]
        gallery = fill(model, files_of(extractor))
    write_gallery(folder / "g.npz", gallery)
    write_imprinted(classifier, folder / "g.npz", out, keep=keep)
    return out, gallery


def scores_of(path: Path, picture: Array) -> dict[str, float]:
    with load(path, **NORMALIZED) as model:  # type: ignore[arg-type]
        assert model.task == "classify"
        found = model(picture).prediction
    assert isinstance(found, Classes)
    return {category.label: category.score for category in found}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_extractor_gives_the_embedding_of_a_picture(tmp_path: Path, kind: dict[str, Any]) -> None:
    classifier = write_l2_classifier(tmp_path / "c.tflite", **kind)
    assert write_extractor(classifier, tmp_path / "e.tflite") == 12
    assert "SOFTMAX" not in read_model(tmp_path / "e.tflite").operators
    picture = shade(COLORS["green"], 1)
    with load(tmp_path / "e.tflite", **NORMALIZED) as model:  # type: ignore[arg-type]
        assert model.task == "embed"
        found = model(picture).prediction
    assert isinstance(found, Embedding)
    pixels = (picture[..., ::-1].reshape(-1).astype(float) - 128) / 128
    assert found.vector == pytest.approx(pixels / np.linalg.norm(pixels), abs=0.02)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("keep", [False, True], ids=["anew", "kept"])
def test_imprinted_classes_have_the_scores_of_the_published_arithmetic(
    tmp_path: Path, kind: dict[str, Any], keep: bool
) -> None:
    """softmax(factor * cosine with the direction of the sum of a class's embeddings)."""
    classifier = write_l2_classifier(tmp_path / "c.tflite", labels="bluish\nreddish\n", **kind)
    path, gallery = imprint(tmp_path, classifier, keep=keep)
    names = (["bluish", "reddish"] if keep else []) + sorted(COLORS)
    for name, color in COLORS.items():
        picture = shade(color, 99)
        pixels = (picture[..., ::-1].reshape(-1).astype(float) - 128) / 128
        weights = np.concatenate([rows() if keep else rows()[:0], gallery.means])
        logits = FACTOR * weights @ (pixels / np.linalg.norm(pixels))
        expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        found = scores_of(path, picture)
        assert next(iter(found)) == name
        assert found == pytest.approx(dict(zip(names, expected.tolist(), strict=True)), abs=0.08)


def test_the_best_label_is_the_one_that_the_gallery_finds_by_means(tmp_path: Path) -> None:
    classifier = write_l2_classifier(tmp_path / "c.tflite", dtype="float32")
    path, _ = imprint(tmp_path, classifier)
    for seed, color in enumerate(COLORS.values()):
        picture = shade(color, 1000 + seed)
        with load(tmp_path / "extractor.tflite", gallery=tmp_path / "g.npz", match="mean", **NORMALIZED) as model:  # type: ignore[arg-type]
            found = model(picture).prediction
        assert isinstance(found, Embedding)
        assert found.nearest is not None
        assert list(scores_of(path, picture)) == list(found.nearest.labels)


def test_classes_without_a_name_stay_without_one(tmp_path: Path) -> None:
    classifier = write_l2_classifier(tmp_path / "c.tflite")
    path, _ = imprint(tmp_path, classifier, keep=True)
    assert set(scores_of(path, shade(COLORS["green"], 3))) == {"0", "1", *COLORS}


def test_the_labels_travel_with_the_new_model_and_the_same_input_makes_the_same_file(tmp_path: Path) -> None:
    classifier = write_l2_classifier(tmp_path / "c.tflite", labels="bluish\nreddish\n")
    path, _ = imprint(tmp_path, classifier)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode() == "0 green\n1 white\n2 yellow\n"
    before = path.read_bytes()
    imprint(tmp_path, classifier)
    assert path.read_bytes() == before


def test_a_model_whose_last_layers_are_not_compiled_is_imprinted_for_the_edge_tpu(tmp_path: Path) -> None:
    """As pycoral's *_l2norm_quant_edgetpu.tflite models are."""
    classifier = write_l2_classifier(tmp_path / "c_edgetpu.tflite", compiled=True)
    extractor, out = tmp_path / "e_edgetpu.tflite", tmp_path / "i_edgetpu.tflite"
    write_extractor(classifier, extractor)
    assert read_model(extractor).operators == ("edgetpu-custom-op", "L2_NORMALIZATION")
    known = Gallery(np.eye(12, dtype=np.float32)[:3], ("a", "b", "c"), ("0", "1", "2"), files_of(extractor))
    write_gallery(tmp_path / "g.npz", known)
    write_imprinted(classifier, tmp_path / "g.npz", out, keep=False)
    assert read_model(out).outputs[0].shape == (1, 3)


def test_an_imprinted_model_can_be_imprinted_again(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    first, _ = imprint(tmp_path, write_l2_classifier(tmp_path / "c.tflite"))
    second, _ = imprint(tmp_path / "second", first, keep=True)
    assert read_model(second).outputs[0].shape == (1, 6)


def test_a_gallery_of_another_model_is_refused(tmp_path: Path) -> None:
    one = write_l2_classifier(tmp_path / "c.tflite")
    other = write_l2_classifier(tmp_path / "d.tflite", dtype="float32")
    imprint(tmp_path, one)
    with pytest.raises(ModelError, match="was not made with the embeddings of"):
        write_imprinted(other, tmp_path / "g.npz", tmp_path / "out.tflite", keep=False)


def test_a_model_without_the_layers_is_not_imprinted(models: Path, tmp_path: Path) -> None:
    classifier = models / "mobilenet_v1_0.25_128_quant.tflite"
    write_extractor(classifier, tmp_path / "e.tflite")
    known = Gallery(np.eye(256, dtype=np.float32)[:1], ("a",), ("b",), files_of(tmp_path / "e.tflite"))
    write_gallery(tmp_path / "g.npz", known)
    with pytest.raises(ModelError, match="needs L2_NORMALIZATION before its last layer"):
        write_imprinted(classifier, tmp_path / "g.npz", tmp_path / "out.tflite", keep=False)
    assert not (tmp_path / "out.tflite").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coco_ssd_mobilenet_v1_1.0_quant_2018_06_29", "does not end in a layer that decides between classes"),
        ("mobilenet_v1_0.25_128_quant_edgetpu", "compiled for the Edge TPU"),
        ("deeplabv3_mnv2_dm05_pascal_quant", "does not end in a layer"),
    ],
)
def test_what_is_no_classifier_gives_no_extractor(models: Path, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        write_extractor(models / f"{name}.tflite", tmp_path / "e.tflite")


def test_the_classifier_is_never_replaced(tmp_path: Path) -> None:
    classifier = write_l2_classifier(tmp_path / "c.tflite")
    with pytest.raises(UsageError, match="is the classifier itself"):
        write_extractor(classifier, classifier)


def test_pictures_without_a_direction_are_refused(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "m.tflite", {"embedding": np.zeros((1, 4), np.float32)}, dtype="uint8")
    import cv2

    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((8, 8, 3), np.uint8))
    with load(path) as model, pytest.raises(Exception, match="its vector is zero"):
        embedded(model, Known("a", tmp_path / "p.png"))
