from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_infer.draw import COLORS, draw, encode_jpeg, save
from edge_infer.errors import UnavailableError
from edge_infer.types import Array, Classes, Detections, ModelId, Prediction, Result, Tensors

GREY = 90
DARK = 60  # of the letters


def blank(width: int = 320, height: int = 240) -> Array:
    return np.full((height, width, 3), GREY, np.uint8)


def result(prediction: Prediction | None) -> Result:
    return Result("s", 0, 0.0, 0, (320, 240), "detect", ModelId("m", "", ""), "cpu", prediction)


def detections(
    *boxes: tuple[float, float, float, float], points: list[tuple[float, float]] | None = None
) -> Detections:
    count = len(boxes)
    return Detections(
        np.float32(boxes).reshape(count, 4),
        np.full(count, 0.5, np.float32),
        np.arange(count),
        ("cat",) * count,
        np.float32(points).reshape(count, 1, 2) if points else None,
        ("nose",) if points else (),
    )


def touched(image: Array) -> Array:
    """Rows and columns of the pixels that were drawn on."""
    return np.argwhere((image != GREY).any(axis=2))


def nearest_color(pixel: Array) -> tuple[int, ...]:
    """Lines are smoothed: a pixel mixes its colour with the picture's."""
    return min(COLORS, key=lambda color: int(np.abs(pixel.astype(int) - color).sum()))


def test_a_box_is_drawn_in_the_colour_of_its_class() -> None:
    drawn = draw(blank(), result(detections((0, 0, 1, 1), (100, 80, 200, 160))))
    assert nearest_color(drawn[160, 150]) == COLORS[1]
    assert nearest_color(drawn[120, 100]) == COLORS[1]
    assert drawn[120, 150].tolist() == [GREY] * 3


def test_the_picture_itself_is_left_alone() -> None:
    image = blank()
    draw(image, result(detections((10, 10, 50, 50))))
    assert (image == GREY).all()


def test_a_view_of_a_picture_can_be_drawn_on() -> None:
    assert draw(blank()[::2, ::-2], result(detections((10, 40, 50, 80)))).shape == (120, 160, 3)


def test_a_keypoint_is_drawn() -> None:
    drawn = draw(blank(), result(detections((100, 80, 200, 160), points=[(150, 120)])))
    assert nearest_color(drawn[120, 150]) == COLORS[0]


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (300, 0, 320, 40), (300, 200, 320, 240), (0, 0, 320, 240)])
def test_the_label_of_a_box_at_the_edge_stays_in_the_picture(box: tuple[float, float, float, float]) -> None:
    letters = draw(blank(), result(detections(box))).max(axis=2) < DARK
    whole = draw(blank(), result(detections((100, 100, 140, 140)))).max(axis=2) < DARK
    assert letters.sum() == pytest.approx(whole.sum(), rel=0.3)  # nothing of it is cut off


def test_the_best_classes_stand_one_below_the_other() -> None:
    classes = Classes(np.arange(3), np.float32([0.5, 0.3, 0.1]), ("cat", "dog", "owl"))
    one = Classes(np.arange(1), np.float32([0.5]), ("cat",))
    assert touched(draw(blank(), result(classes)))[:, 0].max() > 2 * touched(draw(blank(), result(one)))[:, 0].max()


@pytest.mark.parametrize("prediction", [None, Tensors({"a": np.zeros(3)}), detections()])
def test_without_objects_the_picture_stays_as_it_is(prediction: Prediction | None) -> None:
    assert len(touched(draw(blank(), result(prediction)))) == 0


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 9), (4000, 30)])
def test_any_size_of_picture_can_be_drawn_on(width: int, height: int) -> None:
    drawn = draw(blank(width, height), result(detections((0, 0, width, height))))
    assert drawn.shape == (height, width, 3)
    assert len(touched(drawn))


def test_letters_grow_with_the_picture() -> None:
    heights = []
    for width in (640, 1920):
        letters = touched(draw(blank(width, width), result(Classes(np.arange(1), np.float32([0.5]), ("cat",)))))
        heights.append(int(np.ptp(letters[:, 0])))
    assert heights[1] == pytest.approx(3 * heights[0], rel=0.2)


def test_a_saved_picture_can_be_read_again_and_its_folder_is_made(tmp_path: Path) -> None:
    path = save(blank(), tmp_path / "new" / "deep" / "picture.jpg")
    read = cv2.imread(str(path))
    assert read.shape == (240, 320, 3)
    assert np.abs(read.astype(int) - GREY).max() <= 2
    assert encode_jpeg(blank())[:2] == b"\xff\xd8"


def test_a_picture_that_cannot_be_saved_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"cannot write the picture .*file/picture\.jpg"):
        save(blank(), tmp_path / "file" / "picture.jpg")
