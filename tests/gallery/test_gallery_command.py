"""`edge-infer gallery`, and a model that uses what it made."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from l2_models import write_l2_classifier
from tflite_writer import write_answers

from edge_infer.cli.main import main
from edge_infer.kinds.gallery_file import read_gallery
from edge_infer.loading import load
from edge_infer.sources.images import read_image
from edge_infer.types import Array, Embedding

OPTIONS = ["--mean", "128", "--std", "128"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Folders named like what their pictures show."""
    for label, color in {"grass": (30, 220, 40), "snow": (240, 240, 240)}.items():
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(3):
            color = tuple(max(0, value - 5 * number) for value in color)
            cv2.imwrite(str(tmp_path / "pictures" / label / f"{number}.png"), np.full((4, 4, 3), color, np.uint8))
    return tmp_path / "pictures"


@pytest.fixture
def extractor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    classifier = write_l2_classifier(tmp_path / "classifier.tflite")
    assert main(["gallery", "extractor", str(classifier), "--out", str(tmp_path / "extractor.tflite")]) == 0
    assert "embeddings of 12 numbers" in capsys.readouterr().out
    return str(tmp_path / "extractor.tflite")


@pytest.fixture
def gallery(tmp_path: Path, pictures: Path, extractor: str) -> str:
    path = str(tmp_path / "g.npz")
    assert main(["gallery", "add", path, "-m", extractor, *OPTIONS, str(pictures)]) == 0
    return path


def listed(path: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["gallery", "list", path, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_folders_become_labels_and_are_listed(gallery: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(gallery, capsys)
    assert {label: len(files) for label, files in found["labels"].items()} == {"grass": 3, "snow": 3}
    assert found["dimensions"] == 12
    assert main(["gallery", "list", gallery]) == 0
    assert "    3  grass" in capsys.readouterr().out


def test_pictures_can_be_added_under_a_label_and_are_not_added_twice(
    gallery: str, extractor: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add = ["gallery", "add", gallery, "-m", extractor, *OPTIONS, "--label", "ice"]
    assert main([*add, str(pictures / "snow" / "0.png")]) == 0
    assert {label: len(files) for label, files in listed(gallery, capsys)["labels"].items()} == {
        "grass": 3,
        "snow": 2,
        "ice": 1,
    }


def test_labels_and_pictures_can_be_removed(gallery: str, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(pictures / "grass" / "1.png")
    assert main(["gallery", "remove", gallery, "--label", "snow", "--picture", picture]) == 0
    assert [Path(file).name for file in listed(gallery, capsys)["labels"]["grass"]] == ["0.png", "2.png"]
    assert main(["gallery", "remove", gallery, "--label", "sand"]) == 69
    assert "has no label 'sand'; it has grass" in capsys.readouterr().err
    assert main(["gallery", "remove", gallery]) == 64


def test_a_picture_that_cannot_be_read_does_not_keep_the_others_out(
    tmp_path: Path, extractor: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "snow" / "9.png").write_text("no picture")
    path = str(tmp_path / "new.npz")
    assert main(["gallery", "add", path, "-m", extractor, *OPTIONS, str(pictures)]) == 65
    assert "9.png" in capsys.readouterr().err
    assert len(read_gallery(Path(path))) == 6


def test_pictures_without_a_label_are_asked_about(
    tmp_path: Path, extractor: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gallery", "add", str(tmp_path / "n.npz"), "-m", extractor, *OPTIONS, str(pictures / "snow")]) == 64
    assert "give --label" in capsys.readouterr().err


def test_a_gallery_stays_with_its_model(
    tmp_path: Path, gallery: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_answers(tmp_path / "o.tflite", {"embedding": np.ones((1, 12), np.float32)}, dtype="uint8")
    before = Path(gallery).read_bytes()
    assert main(["gallery", "add", gallery, "-m", str(other), str(pictures)]) == 65
    assert "was made with another model" in capsys.readouterr().err
    assert Path(gallery).read_bytes() == before


def test_a_classifier_is_told_from_its_extractor(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier = str(write_l2_classifier(tmp_path / "c.tflite"))
    assert main(["gallery", "add", str(tmp_path / "n.npz"), "-m", classifier, *OPTIONS, str(pictures)]) == 65
    assert "`edge-infer gallery extractor" in capsys.readouterr().err


def test_infer_says_what_a_picture_resembles(
    gallery: str, extractor: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["infer", "-m", extractor, *OPTIONS, "--gallery", gallery, "--top-k", "1", "--json"]
    capsys.readouterr()
    assert main([*command, str(pictures / "snow" / "1.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["task"] == "embed"
    assert len(found["embedding"]) == 12
    assert [known["label"] for known in found["classes"]] == ["snow"]


def test_a_gallery_becomes_the_classes_of_its_classifier(
    tmp_path: Path, gallery: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "new.tflite")
    imprint = ["gallery", "imprint", gallery, "-m", str(tmp_path / "classifier.tflite"), "--out", out]
    assert main([*imprint, "--keep-classes"]) == 0
    assert "knows 4 classes" in capsys.readouterr().out
    assert main(imprint) == 0
    assert main(["infer", "-m", out, *OPTIONS, "--json", str(pictures / "grass" / "2.png")]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["classes"][0]["label"] == "grass"


def changed(picture: Array) -> list[Array]:
    """The same thing otherwise: mirrored, darker, closer, noisy."""
    height, width = picture.shape[:2]
    closer = picture[height // 10 : -height // 10, width // 10 : -width // 10]
    noisy = picture + np.random.default_rng(0).normal(0, 8, picture.shape)
    return [
        picture[:, ::-1].copy(),
        (picture * 0.7).astype(np.uint8),
        closer.copy(),
        noisy.clip(0, 255).astype(np.uint8),
    ]


@pytest.mark.parametrize("match", ["nearest", "mean"])
def test_real_pictures_are_known_again(tmp_path: Path, models: Path, inputs: Path, match: str) -> None:
    """One picture each of a cat, a burger, a bird and a man, by the embeddings of a small MobileNet."""
    model = str(tmp_path / "e.tflite")
    gallery = str(tmp_path / "g.npz")
    assert main(["gallery", "extractor", str(models / "mobilenet_v1_0.25_128_quant.tflite"), "--out", model]) == 0
    known = {"cat": "cat.bmp", "burger": "burger.jpg", "bird": "bird_segmentation.bmp", "man": "squat.bmp"}
    for label, name in known.items():
        assert main(["gallery", "add", gallery, "-m", model, "--label", label, str(inputs / name)]) == 0
    with load(model, gallery=gallery, match=match) as embedder:
        for label, name in known.items():
            for picture in changed(read_image(inputs / name)):
                found = embedder(picture).prediction
                assert isinstance(found, Embedding)
                assert found.nearest is not None
                assert found.nearest.labels[0] == label
