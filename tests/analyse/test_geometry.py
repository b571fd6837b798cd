import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_infer.analyse.geometry import XY, anchor_of, area, crossings, distance, is_inside, overlap

L_SHAPE = [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (2.0, 2.0), (2.0, 4.0), (0.0, 4.0)]
UPWARDS = [(5.0, 10.0), (5.0, 0.0)]  # from the bottom of a picture to its top
CORNER = [(0.0, 5.0), (5.0, 5.0), (5.0, 10.0)]
POINT = st.tuples(st.integers(-3, 13).map(float), st.integers(-3, 13).map(float))


@pytest.mark.parametrize(
    ("point", "inside"),
    [((1, 1), True), ((3, 1), True), ((1, 3), True), ((3, 3), False), ((-1, 1), False), ((5, 1), False)],
)
def test_a_point_is_inside_a_polygon_that_bends(point: XY, inside: bool) -> None:
    assert is_inside(point, L_SHAPE) == is_inside(point, L_SHAPE[::-1]) == inside


@given(POINT)
def test_tiles_that_touch_share_no_point_and_miss_none(point: XY) -> None:
    tiles = [[(x, y), (x + 5, y), (x + 5, y + 5), (x, y + 5)] for x in (0, 5) for y in (0, 5)]
    found = sum(is_inside(point, tile) for tile in tiles)
    assert found == (1 if 0 <= point[0] < 10 and 0 <= point[1] < 10 else 0)


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        ((4, 5), (6, 5), 1),  # who walks up the picture has its left at their left
        ((6, 5), (4, 5), -1),
        ((4, 5), (4.9, 5), 0),
        ((4, 15), (6, 15), 0),  # past the end of the line
        ((4, 5), (5, 5), 1),  # onto the line: it belongs to the right
        ((5, 5), (6, 5), 0),
    ],
)
def test_a_crossing_has_a_direction(a: XY, b: XY, found: int) -> None:
    assert crossings(a, b, UPWARDS) == found


@given(st.lists(POINT, min_size=2, max_size=10), st.lists(POINT, min_size=2, max_size=5, unique=True))
def test_however_a_way_is_cut_it_crosses_a_line_as_often(way: list[XY], line: list[XY]) -> None:
    """Each step from a to b is walked in two steps through a point of it, and there and back is no crossing."""
    for a, b in itertools.pairwise(way):
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
        assert crossings(a, middle, line) + crossings(middle, b, line) == crossings(a, b, line)
        assert crossings(a, b, line) + crossings(b, a, line) == 0


@given(st.lists(POINT, min_size=3, max_size=12))
def test_a_way_around_crosses_a_closed_line_as_often_in_as_out(way: list[XY]) -> None:
    tile = [(2.5, 2.5), (7.5, 2.5), (7.5, 7.5), (2.5, 7.5), (2.5, 2.5)]
    loop = [*way, way[0]]
    assert sum(crossings(a, b, tile) for a, b in itertools.pairwise(loop)) == 0


def test_a_way_through_the_corner_of_a_line_crosses_it_once() -> None:
    assert abs(crossings((4.0, 6.0), (6.0, 4.0), CORNER)) == 1


@given(POINT, st.lists(POINT, min_size=2, max_size=5))
def test_no_point_of_a_line_is_nearer_than_its_distance(point: XY, line: list[XY]) -> None:
    found = distance(point, line)
    for (x0, y0), (x1, y1) in itertools.pairwise(line):
        for share in (0.0, 0.3, 0.5, 1.0):
            assert found <= math.hypot(point[0] - x0 - share * (x1 - x0), point[1] - y0 - share * (y1 - y0)) + 1e-9


BOX = st.tuples(*[st.floats(0, 100)] * 4).map(lambda v: (min(v[0], v[1]), min(v[2], v[3]), max(v[:2]), max(v[2:])))


@given(BOX, BOX)
def test_boxes_overlap_by_a_share(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assume(area(a) > 1e-6)  # type: ignore[arg-type]
    assert 0.0 <= overlap(a, b) <= 1.0 + 1e-9  # type: ignore[arg-type]
    assert overlap(a, b) == overlap(b, a)  # type: ignore[arg-type]
    assert overlap(a, a) == pytest.approx(1.0)  # type: ignore[arg-type]


def test_an_object_stands_at_the_foot_of_its_box_or_in_its_middle() -> None:
    assert anchor_of((0, 0, 10, 20), "bottom") == (5, 20)
    assert anchor_of((0, 0, 10, 20), "centre") == (5, 10)
