"""Embedding models, from their files to what a picture resembles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import L2_NORMALIZATION, RESHAPE, Graph, Op, Tensor, model_bytes, write_answers

from edge_infer.bundle.model_file import read_model
from edge_infer.decode.gallery import Gallery
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.gallery_file import write_gallery
from edge_infer.kinds.kind import Clues
from edge_infer.kinds.registry import recognise
from edge_infer.loading import load
from edge_infer.types import Embedding

PICTURE = np.full((20, 30, 3), 90, np.uint8)


def known(path: Path, dimensions: int = 3) -> Gallery:
    vectors = np.eye(dimensions, dtype=np.float32)[:2]
    return Gallery(vectors, ("cat", "dog"), ("a.jpg", "b.jpg"), (read_model(path).sha256,))


def write(path: Path, name: str = "embedding", values: Any = ((3.0, 4.0, 0.0),), **parts: Any) -> Path:
    return write_answers(path, {name: np.array(values, np.float32)}, size=(32, 32), dtype="uint8", **parts)


def test_an_output_of_l2_normalization_is_an_embedding(tmp_path: Path) -> None:
    tensors = [
        Tensor("image", (1, 1, 1, 3), "float32"),
        Tensor("flat", (1, 3)),
        Tensor("shape", (2,), "int32", (1, 3)),
        Tensor("output_0", (1, 3)),
    ]
    ops = [Op(RESHAPE, ["image", "shape"], ["flat"]), Op(L2_NORMALIZATION, ["flat"], ["output_0"])]
    path = tmp_path / "m.tflite"
    path.write_bytes(model_bytes(Graph(tensors, ["image"], ["output_0"], ops)))
    with load(path, mean=0.0, std=1.0) as model:
        result = model(PICTURE)
    assert result.task == "embed"
    assert isinstance(result.prediction, Embedding)
    assert result.prediction.vector == pytest.approx([1 / np.sqrt(3)] * 3, abs=1e-3)
    assert result.prediction.nearest is None


@pytest.mark.parametrize("name", ["embedding", "feature_vector", "Features"])
def test_an_output_named_like_one_is_an_embedding(tmp_path: Path, name: str) -> None:
    with load(write(tmp_path / "m.tflite", name)) as model:
        found = model(PICTURE).prediction
    assert isinstance(found, Embedding)
    assert found.vector == pytest.approx([0.6, 0.8, 0])


def test_a_row_of_numbers_without_a_name_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be known"):
        recognise(Clues(read_model(write(tmp_path / "m.tflite", "Identity"))))
    with load(tmp_path / "m.tflite", kind="embed") as model:
        assert isinstance(model(PICTURE).prediction, Embedding)


@pytest.mark.parametrize("match", ["nearest", "mean"])
def test_a_gallery_names_what_a_picture_resembles(tmp_path: Path, match: str) -> None:
    path = write(tmp_path / "m.tflite")
    write_gallery(tmp_path / "g.npz", known(path))
    with load(path, gallery=str(tmp_path / "g.npz"), match=match, min_score=0.7) as model:
        found = model(PICTURE).prediction
    assert isinstance(found, Embedding)
    assert found.nearest is not None
    assert [(c.label, round(c.score, 3)) for c in found.nearest] == [("dog", 0.8)]


def test_a_gallery_of_another_model_or_length_is_refused(tmp_path: Path) -> None:
    path, other = write(tmp_path / "m.tflite"), write(tmp_path / "n.tflite", values=((1.0, 2.0, 3.0),))
    write_gallery(tmp_path / "g.npz", known(path))
    with pytest.raises(ModelError, match="was made with another model"):
        load(other, gallery=tmp_path / "g.npz")
    write_gallery(tmp_path / "h.npz", known(path, dimensions=4))
    with pytest.raises(ModelError, match=r"vectors of 4 numbers, .* gives 3"):
        load(path, gallery=tmp_path / "h.npz")
    with pytest.raises(UnavailableError, match="cannot read the gallery"):
        load(path, gallery=tmp_path / "none.npz")
