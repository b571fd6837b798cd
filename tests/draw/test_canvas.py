import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.draw.canvas import TEXT_SHARE, Canvas
from edge_infer.types import Array

GROUND, PLATE = 90, (0, 159, 230)


def canvas(width: int = 320, height: int = 240) -> Canvas:
    return Canvas(np.full((height, width, 3), GROUND, np.uint8), enlarge=min(width, height) % 2 == 0)


def changed(drawn: Canvas) -> Array:
    """(row, column) of each pixel that is another now."""
    return np.argwhere((drawn.pixels != GROUND).any(axis=2))


@given(box=st.tuples(*[st.floats(-1000, 1000)] * 4))
def test_a_label_is_whole_wherever_its_box_is(box: tuple[float, float, float, float]) -> None:
    somewhere, middle = canvas(), canvas()
    somewhere.label("cat 0.50", box, PLATE)
    middle.label("cat 0.50", (100, 100, 140, 140), PLATE)
    if not -100 < box[1] < 300 and not -100 < box[3] < 300:
        return  # far outside there is no place near it
    assert len(changed(somewhere)) in (0, len(changed(middle)))
    if 30 < box[1] < 230:
        assert len(changed(somewhere)) == len(changed(middle))


def test_labels_do_not_cover_each_other() -> None:
    drawn = canvas()
    drawn.label("first", (100, 100, 140, 140), PLATE)
    first = changed(drawn)
    before = drawn.pixels[first[:, 0], first[:, 1]].copy()
    for _ in range(20):
        drawn.label("other", (100, 100, 140, 140), (255, 255, 255))
    assert np.array_equal(drawn.pixels[first[:, 0], first[:, 1]], before)
    assert len(changed(drawn)) > len(first)


@given(width=st.integers(1, 700), height=st.integers(1, 700), count=st.integers(1, 40), length=st.integers(1, 99))
def test_plates_together_leave_two_thirds_of_the_picture(width: int, height: int, count: int, length: int) -> None:
    labels, rows = canvas(width, height), canvas(width, height)
    for place in range(count):
        labels.label("w" * length, (place * 7 % width, place * 31 % height, width, height), PLATE)
    rows.rows([("w" * length, PLATE)] * count)
    for drawn in (labels, rows):
        assert len(changed(drawn)) <= TEXT_SHARE * drawn.width * drawn.height + 1


def test_a_text_wider_than_the_picture_is_made_smaller_and_then_shortened() -> None:
    narrow = canvas(160, 160)
    narrow.rows([("a label that is far too long for such a narrow picture, however small", PLATE)])
    assert 120 < np.ptp(changed(narrow)[:, 1]) < 160


def test_rows_that_find_no_room_are_counted() -> None:
    few, many = canvas(), canvas()
    few.rows([("cat", PLATE)] * 3)
    many.rows([("cat", PLATE)] * 100)
    assert changed(many)[:, 0].max() <= TEXT_SHARE * 240 + 1
    assert (many.pixels[changed(many)[:, 0].max(), 0] == 255).all()  # the last row is another: "+97 more"
    assert (few.pixels[changed(few)[:, 0].max(), 0] == PLATE).all()


@pytest.mark.parametrize("size", [(400, 8), (8, 400)])
def test_a_strip_too_thin_for_letters_has_none(size: tuple[int, int]) -> None:
    strip = canvas(*size)
    strip.rows([("cat", PLATE)])
    strip.label("cat", (0, 0, 5, 5), PLATE)
    assert len(changed(strip)) == 0


def test_a_tint_touches_the_pixels_of_its_mask_alone() -> None:
    drawn = canvas()
    mask = np.zeros((40, 60), bool)
    mask[10:30, 10:50] = True
    drawn.tint(mask, (100, 50), PLATE)
    places = changed(drawn)
    assert places[:, 0].min() >= 60 - 2
    assert places[:, 0].max() <= 80 + 2
    assert len(places) >= mask.sum()


@given(
    at=st.tuples(st.integers(-100, 400), st.integers(-100, 300)), size=st.tuples(st.integers(1, 90), st.integers(1, 90))
)
def test_a_mask_may_lie_anywhere(at: tuple[int, int], size: tuple[int, int]) -> None:
    drawn = canvas()
    drawn.tint(np.ones(size, bool), at, PLATE)
    inside = max(0, min(320, at[0] + size[1]) - max(0, at[0])) * max(0, min(240, at[1] + size[0]) - max(0, at[1]))
    assert (len(changed(drawn)) > 0) == (inside > 0)
