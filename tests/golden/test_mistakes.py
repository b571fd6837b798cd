"""Which mistakes a golden test notices, and which it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from echoes import ECHOES, Echo

from edge_infer.bundle.bundle import Bundle, open_bundle
from edge_infer.golden import golden_problems
from edge_infer.loading import load
from edge_infer.sources.images import read_image
from edge_infer.tools.bundle_made import Wanted, create_bundle

COLOURS: dict[str, Any] = {"color": "bgr"}
STRETCHED, BOXED = {"resize": "stretch"}, {"resize": "letterbox"}
Make = Callable[..., Bundle]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(model: Path, *pictures: Path, **options: Any) -> Bundle:
        create_bundle(model, Wanted(tmp_path / "bundle", pictures, options))
        return open_bundle(tmp_path / "bundle")

    return make


def echo_bundle(echo: Echo, folder: Path, make: Make) -> Bundle:
    import cv2

    cv2.imwrite(str(folder / "picture.png"), echo.picture)
    labels = {"labels": list(echo.labels)} if echo.labels else {}
    return make(echo.write(folder / "model.tflite"), folder / "picture.png", **echo.options, **labels)


def noticed(bundle: Bundle, model: Path | None = None, **mistake: Any) -> bool:
    """Whether its golden test fails with this mistake, or with another model."""
    assert bundle.manifest is not None
    mine = {"decode": bundle.decode, "prepare": bundle.prepare} if model else {}
    with load(model or bundle.manifest.parent, device="cpu", **mine, **mistake) as loaded:
        return bool(golden_problems(bundle, loaded))


@pytest.mark.parametrize("name", ECHOES)
def test_each_kind_of_prediction_notices_what_is_done_wrong(name: str, tmp_path: Path, make: Make) -> None:
    echo = ECHOES[name]
    bundle = echo_bundle(echo, tmp_path, make)
    assert bundle.golden is not None
    assert bundle.golden.compare == name
    assert not noticed(bundle)
    assert noticed(bundle, **COLOURS)
    assert noticed(bundle, **BOXED) or name == "mask"  # this one tells each pixel by itself
    other = "tensors" if name != "tensors" else "embed"
    assert noticed(bundle, kind=other, mean=bundle.prepare.mean, std=bundle.prepare.std)


@pytest.mark.parametrize("name", ECHOES)
def test_a_wrong_normalisation_is_noticed_where_it_changes_an_answer(name: str, tmp_path: Path, make: Make) -> None:
    bundle = echo_bundle(ECHOES[name], tmp_path, make)
    wrong = {"mean": 127.5, "std": 127.5} if name != "embedding" else {"mean": 0.0, "std": 255.0}
    unchanged = {"mask"}  # the best class of each pixel stays the best
    assert noticed(bundle, **wrong) == (name not in unchanged)


@pytest.mark.parametrize("name", ECHOES)
def test_another_model_is_noticed_where_it_changes_an_answer(name: str, tmp_path: Path, make: Make) -> None:
    bundle = echo_bundle(ECHOES[name], tmp_path, make)
    other = ECHOES[name].write(tmp_path / "other.tflite", add=40.0)
    unchanged = {"mask", "classes"}  # adding the same to all classes changes none
    assert noticed(bundle, other, labels=bundle.labels) == (name not in unchanged)


@pytest.mark.parametrize("name", ["boxes", "classes", "mask"])
def test_shifted_labels_are_noticed(name: str, tmp_path: Path, make: Make) -> None:
    labels = ["background", *(f"thing {i}" for i in range(11))]
    bundle = make(
        ECHOES[name].write(tmp_path / "model.tflite"), picture(ECHOES[name], tmp_path), **ECHOES[name].options,
        labels=labels,
    )  # fmt: skip
    assert not noticed(bundle)
    assert noticed(bundle, labels=[*labels[1:], "last"])


def picture(echo: Echo, folder: Path) -> Path:
    import cv2

    cv2.imwrite(str(folder / "picture.png"), echo.picture)
    return folder / "picture.png"


# Real models, and pictures of what they know: what each golden test notices, as measured. MoveNet does not mind swapped
# colours, nor DeepLab much those of a bird.
REAL = {
    "ssd": ("coco_ssd_mobilenet_v1_1.0_quant_2018_06_29", "cats_and_dogs.jpg", {}, {"colours", "resize"}),
    "mobilenet": ("mobilenet_v1_0.25_224_quant", "burger.jpg", {}, {"colours", "resize"}),
    "mobilenet, an animal": ("mobilenet_v1_0.25_128_quant", "cat.bmp", {"kind": "classify"}, {"colours", "resize"}),
    "movenet": ("movenet_single_pose_lightning_ptq", "squat.bmp", {"kind": "movenet"}, {"resize"}),
    "deeplab": ("deeplabv3_mnv2_dm05_pascal_quant", "cats_and_dogs.jpg", {"kind": "segment"}, {"colours", "resize"}),
    "deeplab, a bird": ("deeplabv3_mnv2_dm05_pascal_quant", "bird_segmentation.bmp", {"kind": "segment"}, set()),
}


@pytest.mark.parametrize("name", REAL)
def test_what_the_golden_tests_of_real_models_notice(name: str, models: Path, inputs: Path, make: Make) -> None:
    model, file, options, expected = REAL[name]
    bundle = make(models / f"{model}.tflite", inputs / file, **options)
    assert not noticed(bundle)
    mistakes = {"colours": COLOURS, "resize": STRETCHED if bundle.prepare.resize == "letterbox" else BOXED}
    assert {mistake for mistake, wrong in mistakes.items() if noticed(bundle, **wrong)} == expected


def test_a_golden_test_of_one_model_does_not_pass_another(models: Path, inputs: Path, make: Make) -> None:
    bundle = make(models / "mobilenet_v1_0.25_224_quant.tflite", inputs / "cat.bmp", kind="classify")
    assert noticed(bundle, models / "mobilenet_v2_1.0_224_quant.tflite", labels=bundle.labels)


def test_pictures_are_kept_small(models: Path, inputs: Path, make: Make) -> None:
    import numpy as np

    model, large = models / "mobilenet_v1_0.25_224_quant.tflite", inputs / "cats_and_dogs.jpg"
    assert max(read_image(large).shape) == 1200
    bundle = make(model, large, inputs / "cat.bmp", kind="classify")
    assert bundle.golden is not None
    with np.load(bundle.golden.file) as arrays:
        assert [arrays[f"frame_{i}"].shape for i in range(2)] == [(320, 640, 3), (341, 512, 3)]
