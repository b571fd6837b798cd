from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.decode.landmarks_names import BODY_17
from edge_infer.draw import COLORS, draw, encode_jpeg, save, save_png
from edge_infer.draw.canvas import SMALL
from edge_infer.draw.colors import color_of
from edge_infer.draw.words import object_words
from edge_infer.errors import InputError, UnavailableError
from edge_infer.types import (
    Anomaly,
    Array,
    Classes,
    Detections,
    Embedding,
    Keypoints,
    Mask,
    Measurements,
    ModelId,
    Prediction,
    Result,
    Status,
    Tensors,
)

GREY = 90


def blank(width: int = 320, height: int = 240) -> Array:
    return np.full((height, width, 3), GREY, np.uint8)


def result(prediction: Prediction | None, status: Status = "ok", error: str | None = None) -> Result:
    return Result("s", 0, 0.0, 0, (320, 240), "detect", ModelId("m", "", ""), "cpu", prediction, status, error)


def detections(*boxes: tuple[float, float, float, float], label: str = "cat", **more: object) -> Detections:
    count = len(boxes)
    return Detections(
        np.float32(boxes).reshape(count, 4),
        np.full(count, 0.5, np.float32),
        np.arange(count),
        (label,) * count,
        **more,  # type: ignore[arg-type]
    )


def classes(*labels: str, heads: tuple[str, ...] = ()) -> Classes:
    return Classes(np.arange(len(labels)), np.full(len(labels), 0.5, np.float32), labels, heads)


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


@pytest.mark.parametrize("ground", [0, 255, COLORS[0]])
def test_a_box_is_seen_on_any_ground_even_on_its_own_colour(ground: int | tuple[int, ...]) -> None:
    image = np.full((240, 320, 3), ground, np.uint8)
    row = draw(image, result(detections((100, 80, 200, 160))))[120].astype(int)
    assert np.abs(row[95:106] - image[0, 0]).sum(axis=1).max() > 200


def test_an_edge_at_the_border_of_the_frame_is_drawn() -> None:
    drawn = draw(blank(), result(detections((10, 60, 320, 240))))
    assert nearest_color(drawn[239, 150]) == COLORS[0]
    assert nearest_color(drawn[200, 319]) == COLORS[0]


def test_the_picture_itself_is_left_alone() -> None:
    image = blank()
    draw(image, result(detections((10, 10, 50, 50))))
    assert (image == GREY).all()


def test_a_view_a_grey_picture_and_one_with_alpha_can_be_drawn_on() -> None:
    found = result(detections((10, 40, 50, 80)))
    assert draw(blank(640, 480)[::2, ::-2], found).shape == (240, 320, 3)
    assert np.array_equal(draw(np.full((240, 320), GREY, np.uint8), found), draw(blank(), found))
    assert np.array_equal(draw(np.full((240, 320, 4), GREY, np.uint8), found), draw(blank(), found))
    with pytest.raises(InputError, match="this one is"):
        draw(np.zeros((240, 320, 3), np.float32), found)


def test_an_oriented_box_is_drawn_instead_of_the_box_around_it() -> None:
    turned = np.float32([[[150, 40], [250, 120], [150, 200], [50, 120]]])
    drawn = draw(blank(), result(detections((50, 40, 250, 200), corners=turned)))
    assert nearest_color(drawn[80, 200]) == COLORS[0]
    assert drawn[200, 60].tolist() == [GREY] * 3


def test_an_instance_is_tinted_and_its_part_outside_the_frame_left_out() -> None:
    mask = np.zeros((100, 100), bool)
    mask[:, 50:] = True
    drawn = draw(
        blank(), result(detections((-40.5, 100.5, 58.5, 199.5), (300, 200, 420, 320), masks=(mask, mask[:20])))
    )
    assert drawn[150, 40].tolist() != [GREY] * 3
    assert drawn[150, 4].tolist() == [GREY] * 3


def test_points_are_drawn_where_the_model_believes_in_them() -> None:
    points = np.float32([[[150, 120], [170, 120]]])
    found = detections((100, 80, 200, 160), keypoints=points, keypoint_names=("a", "b"))
    assert nearest_color(draw(blank(), result(found))[120, 150]) == COLORS[0]
    scored = detections(
        (100, 80, 200, 160), keypoints=points, keypoint_names=("a", "b"), keypoint_scores=np.float32([[0.9, 0.1]])
    )
    drawn = draw(blank(), result(scored))
    assert nearest_color(drawn[120, 150]) == COLORS[0]
    assert drawn[120, 170].tolist() == [GREY] * 3


def test_a_body_has_bones_and_doubtful_points_none() -> None:
    points = np.float32([[20 + 15 * i, 120 + 60 * (i % 2)] for i in range(17)])
    whole = draw(blank(), result(Keypoints(points, np.ones(17, np.float32), BODY_17)))
    loose = draw(blank(), result(Keypoints(points, np.ones(17, np.float32), tuple(map(str, range(17))))))
    none = draw(blank(), result(Keypoints(points, np.zeros(17, np.float32), BODY_17)))
    assert len(touched(whole)) > 2 * len(touched(loose)) > 0
    assert len(touched(none)) == 0


def test_a_semantic_mask_is_tinted_but_for_its_background_and_has_a_legend() -> None:
    class_map = np.zeros((240, 320), np.uint8)
    class_map[100:200, 100:200] = 2
    drawn = draw(blank(), result(Mask(class_map, ("background", "cat", "dog"))))
    assert drawn[220, 300].tolist() == [GREY] * 3
    assert nearest_color(drawn[150, 150]) == COLORS[2]
    assert drawn[1, 1].tolist() == list(COLORS[2])
    roads = draw(blank(), result(Mask(class_map, ("road", "cat", "dog"))))
    assert roads[220, 300].tolist() != [GREY] * 3


def test_a_mask_of_many_classes_and_16_bits_is_drawn() -> None:
    class_map = np.arange(240 * 320, dtype=np.uint16).reshape(240, 320) % 700
    drawn = draw(blank(), result(Mask(class_map, ())))
    assert len(np.unique(drawn[200:].reshape(-1, 3), axis=0)) >= 20


def test_the_best_classes_stand_one_below_the_other_and_heads_have_colours() -> None:
    three = draw(blank(), result(classes("cat", "dog", "owl")))
    assert touched(three)[:, 0].max() > 2 * touched(draw(blank(), result(classes("cat"))))[:, 0].max()
    heads = draw(blank(), result(classes("cat", "red", heads=("animal", "colour"))))
    assert {tuple(pixel) for pixel in heads[:60, 1].tolist()} >= {COLORS[0], COLORS[1]}


@pytest.mark.parametrize(
    ("prediction", "error"),
    [
        (Embedding(np.float32([1, 0]), classes("Anna")), None),
        (Measurements(np.float32([21.5]), ("temperature",), ("°C",)), None),
        (Anomaly(7.5, 4.0), None),
        (None, "the model hangs"),
    ],
)
def test_what_has_no_place_in_the_picture_is_written_on_it(prediction: Prediction | None, error: str | None) -> None:
    assert len(touched(draw(blank(), result(prediction, "error" if error else "ok", error)))) > 100


@pytest.mark.parametrize("prediction", [None, Tensors({"a": np.zeros(3)}), Embedding(np.ones(1)), detections()])
def test_without_objects_the_picture_stays_as_it_is(prediction: Prediction | None) -> None:
    assert len(touched(draw(blank(), result(prediction)))) == 0


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 9), (28, 28), (4000, 30), (30, 4000), (200, 3)])
def test_any_size_of_picture_can_be_drawn_on_and_a_tiny_one_enlarged(width: int, height: int) -> None:
    found = result(detections((0, 0, width, height), (0, 0, width / 2, height / 2)))
    same = draw(blank(width, height), found)
    assert same.shape == (height, width, 3)
    assert len(touched(same))
    drawn = draw(blank(width, height), found, enlarge=True)
    factor = drawn.shape[0] // height
    assert drawn.shape == (height * factor, width * factor, 3)
    assert (factor > 1) == (max(width, height) < SMALL)
    assert len(touched(drawn))


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    boxes=st.lists(st.tuples(*[st.floats(-500, 900)] * 4), max_size=9),
    label=st.text(max_size=60),
)
def test_anything_can_be_drawn(
    width: int, height: int, boxes: list[tuple[float, float, float, float]], label: str
) -> None:
    whole = draw(blank(width, height), result(detections(*boxes, label=label)), enlarge=True)
    assert whole.shape[0] * width == whole.shape[1] * height
    rows = draw(blank(width, height), result(classes(*[label] * 9)), enlarge=True)
    assert len(touched(rows)) <= rows.shape[0] * rows.shape[1] / 3


def test_an_anomaly_has_another_colour_than_what_is_normal() -> None:
    normal, unusual = (draw(blank(), result(Anomaly(score, 4.0)))[1, 1].tolist() for score in (3.9, 4.0))
    assert normal != unusual


def test_the_number_of_a_track_and_what_a_second_model_says_stand_at_the_object() -> None:
    box = (100, 80, 200, 160)
    plain = draw(blank(), result(detections(box)))
    assert np.array_equal(draw(blank(), result(detections(box, track_ids=np.array([-1]), details=(None,)))), plain)
    tracked = draw(blank(), result(detections(box, track_ids=np.array([7]))))
    detailed = draw(blank(), result(detections(box, details=(classes("siamese"),))))
    for longer in (tracked, detailed):
        assert touched(longer)[:, 1].max() >= touched(plain)[:, 1].max()
        assert not np.array_equal(longer, plain)


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (classes("siamese", "tabby"), "cat 0.50: siamese 0.50"),
        (Embedding(np.float32([1, 0]), classes("Anna")), "cat 0.50: Anna 0.50"),
        (Embedding(np.float32([1, 0])), "cat 0.50"),
        (Measurements(np.float32([21.5]), ("age",), ("years",)), "cat 0.50: age 21.5 years"),
        (Anomaly(7.5, 4.0), "cat 0.50: unusual 7.5 (limit 4)"),
        (classes(), "cat 0.50"),
        (None, "cat 0.50"),
    ],
)
def test_of_a_second_model_the_best_is_told(detail: Prediction | None, words: str) -> None:
    found = detections((100, 80, 200, 160), details=(detail,))
    assert object_words(next(iter(found))) == words


def test_many_objects_keep_the_labels_of_the_best_and_the_picture_visible() -> None:
    boxes = [(x, y, x + 60, y + 60) for x in range(0, 600, 20) for y in range(0, 400, 20)]
    drawn = draw(blank(640, 480), result(detections(*boxes)))
    plates = (drawn == COLORS[0]).all(axis=2) & (np.roll(drawn, 1, 1) == COLORS[0]).all(axis=2)
    assert plates[:60].any()
    assert len(touched(drawn)) < 0.9 * 640 * 480


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_not_drawn(value: float) -> None:
    assert len(touched(draw(blank(), result(detections((value, 10, 50, 50)))))) == 0
    points = Keypoints(np.float32([[value, 5]]), np.float32([0.9]), ("a",))
    assert len(touched(draw(blank(), result(points)))) == 0


def test_letters_grow_with_the_picture() -> None:
    heights = []
    for width in (640, 1920):
        letters = touched(draw(blank(width, width), result(classes("cat"))))
        heights.append(int(np.ptp(letters[:, 0])))
    assert heights[1] == pytest.approx(3 * heights[0], rel=0.2)


def test_each_of_twenty_one_classes_has_a_colour_of_its_own() -> None:
    assert len({color_of(class_id) for class_id in range(21)}) == 21
    assert color_of(21) == color_of(0)


def test_a_saved_picture_can_be_read_again_and_its_folder_is_made(tmp_path: Path) -> None:
    path = save(blank(), tmp_path / "new" / "deep" / "picture.jpg")
    read = cv2.imread(str(path))
    assert read is not None
    assert read.shape == (240, 320, 3)
    assert np.abs(read.astype(int) - GREY).max() <= 2
    assert encode_jpeg(blank())[:2] == b"\xff\xd8"
    ids = np.arange(600, dtype=np.uint16).reshape(20, 30)
    assert np.array_equal(cv2.imread(str(save_png(ids, tmp_path / "ids.png")), cv2.IMREAD_UNCHANGED), ids)


def test_a_picture_that_cannot_be_saved_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"cannot write the picture .*file/picture\.jpg"):
        save(blank(), tmp_path / "file" / "picture.jpg")
