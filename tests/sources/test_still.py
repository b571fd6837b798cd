import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_infer.errors import InputError
from edge_infer.sources.pace import Metronome
from edge_infer.sources.source import EndOfStream
from edge_infer.sources.still import Box, StillSource, to_view, view
from edge_infer.types import Array, Size

PICTURE: Size = (900, 700)
FACE: Box = (500.0, 200.0, 620.0, 330.0)


def painted(size: Size, box: Box) -> Array:
    """A textured dark picture with a white box."""
    noise = np.random.default_rng(7).integers(0, 80, (size[1], size[0], 3), np.uint8)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    noise[y0:y1, x0:x1] = 255
    return noise


def seen_box(frame: Array) -> Box:
    """Where the white box is, to a part of a pixel: its area's sums over rows and columns."""
    white = np.clip((frame[:, :, 1].astype(float) - 80) / 175, 0, 1)
    columns, rows = white.max(axis=0), white.max(axis=1)
    left, top = int(columns.argmax()), int(rows.argmax())
    x0, y0 = (int(np.flatnonzero(line > 0.5)[0]) for line in (columns, rows))
    assert left >= x0
    assert top >= y0
    x1, y1 = (int(np.flatnonzero(line > 0.5)[-1]) + 1 for line in (columns, rows))
    return x0, y0, x1, y1


def iou(a: Box, b: Box) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


class Beats(Metronome):
    """A metronome that does not wait: each time it is asked, it is time for the next of these."""

    def __init__(self, numbers: list[int]) -> None:
        self.now = 0.0
        super().__init__(1.0, lambda: self.now, lambda _seconds: None)
        self.numbers = iter(numbers)

    def wait(self) -> int:
        self.now = float(next(self.numbers))
        return super().wait()


def test_what_a_late_reader_misses_is_counted() -> None:
    source = StillSource(painted(PICTURE, FACE))
    source._metronome = Beats([3, 4, 7, 8, 10])
    assert [source.read().number for _ in range(5)] == [3, 4, 7, 8, 10]
    assert source.skipped == {"late": 3}


@pytest.mark.parametrize("picture_size", [PICTURE, (2400, 1800), (660, 600)])
@pytest.mark.parametrize("out_size", [(640, 480), (320, 320)])
def test_the_known_box_is_where_the_frame_shows_it(picture_size: Size, out_size: Size) -> None:
    scale = picture_size[0] / PICTURE[0]
    face = tuple(edge * scale for edge in FACE)
    box: Box = (round(face[0]), round(face[1]), round(face[2]), round(face[3]))
    numbers = list(range(0, 2000, 37))
    source = StillSource(painted(picture_size, box), size=out_size, fps=10, focus=box)
    source._metronome = Beats(numbers)
    for number in numbers:
        frame = source.read()
        assert frame.number == number
        assert frame.data.shape == (out_size[1], out_size[0], 3)
        expected = to_view(box, number, picture_size, out_size, 10, box)
        assert iou(seen_box(frame.data), expected) > 0.95


def test_content_is_placed_to_a_fifth_of_a_pixel() -> None:
    ramp = np.zeros((150, 200, 3), np.uint8)
    ramp[:] = np.arange(200, dtype=np.uint8)[None, :, None]  # each pixel's level is its column
    source = StillSource(ramp, size=(640, 480), fps=10)
    source._metronome = Beats([5])
    x0, _, x1, _ = view(5, (200, 150), (640, 480), 10)
    expected = x0 + (np.arange(640) + 0.5) * (x1 - x0) / 640 - 0.5
    assert abs((source.read().data[240, :, 0] - expected).mean()) < 0.2


sizes = st.tuples(st.integers(16, 4000), st.integers(16, 4000))
TINY = 1e-6  # of rounding


@given(number=st.integers(0, 10**7), picture=sizes, out=sizes, fps=st.floats(0.5, 120))
def test_a_view_lies_inside_the_picture_and_keeps_the_shape(number: int, picture: Size, out: Size, fps: float) -> None:
    x0, y0, x1, y1 = view(number, picture, out, fps)
    assert -TINY <= x0 < x1 <= picture[0] + TINY
    assert -TINY <= y0 < y1 <= picture[1] + TINY
    assert (x1 - x0) / (y1 - y0) == pytest.approx(out[0] / out[1])


@given(data=st.data(), number=st.integers(0, 10**7), picture=sizes, out=sizes)
def test_the_focus_is_always_wholly_in_view(data: st.DataObject, number: int, picture: Size, out: Size) -> None:
    x0, x1 = sorted(data.draw(st.tuples(*[st.floats(0, picture[0])] * 2)))
    y0, y1 = sorted(data.draw(st.tuples(*[st.floats(0, picture[1])] * 2)))
    assume(x1 - x0 > 1 and y1 - y0 > 1)
    focus = (x0, y0, x1, y1)
    try:
        area = view(number, picture, out, 10, focus)
    except InputError:
        largest = min(picture[0], picture[1] * out[0] / out[1])
        assert 1.2 * (x1 - x0) > largest - TINY or 1.2 * (y1 - y0) > largest * out[1] / out[0] - TINY
        return
    assert -TINY <= area[0] <= x0 + TINY
    assert x1 - TINY <= area[2] <= picture[0] + TINY
    assert -TINY <= area[1] <= y0 + TINY
    assert y1 - TINY <= area[3] <= picture[1] + TINY


def test_the_focus_keeps_a_distance_from_the_edge_of_the_frame() -> None:
    for number in range(0, 5000, 13):
        x0, y0, x1, y1 = to_view(FACE, number, PICTURE, (640, 480), 10, FACE)
        assert min(x0, y0, 640 - x1, 480 - y1) >= 0.09 * min(x1 - x0, y1 - y0)


def test_the_motion_is_smooth_and_moves() -> None:
    boxes = np.array([to_view(FACE, number, PICTURE, (640, 480), 10, FACE) for number in range(600)])
    steps = np.abs(np.diff(boxes, axis=0))
    assert steps.max() < 64  # a tenth of the view
    assert np.ptp(boxes[:, 0]) > 100
    assert np.ptp(boxes[:, 1]) > 100
    assert np.ptp(boxes[:, 2] - boxes[:, 0]) > 20


def test_a_box_out_of_view_has_no_area() -> None:
    x0, y0, x1, y1 = view(0, (1000, 1000), (100, 100), 10)
    assert x0 > 10
    assert to_view((0, 0, 10, 10), 0, (1000, 1000), (100, 100), 10) == (0, 0, 0, 0)
    assert to_view((x0, y0, x1, y1), 0, (1000, 1000), (100, 100), 10) == pytest.approx((0, 0, 100, 100))


@pytest.mark.parametrize("focus", [(0, 0, 900, 10), (-1, 0, 10, 10), (10, 10, 5, 20), (0, 0, 1, 701)])
def test_a_focus_that_cannot_be_held_is_refused(focus: Box) -> None:
    with pytest.raises(InputError, match="the focus"):
        StillSource(np.zeros((700, 900, 3), np.uint8), size=(300, 300), focus=focus)


def test_frames_follow_the_clock_and_end_at_their_number() -> None:
    with StillSource(painted(PICTURE, FACE), fps=200, frames=5) as source:
        frames = list(source)
        with pytest.raises(EndOfStream):
            source.read()
    assert len(frames) == 5
    for earlier, later in pairwise(frames):
        assert earlier.number < later.number
    lasted = (frames[-1].captured_ns - frames[0].captured_ns) / 1e9
    assert lasted >= (frames[-1].number - frames[0].number - 1) / 200
    assert frames[-1].captured_ns <= time.monotonic_ns()


def test_a_small_picture_is_enlarged() -> None:
    source = StillSource(cv2.resize(painted(PICTURE, FACE), (64, 48)), size=(640, 480), fps=1000)
    assert source.read().data.shape == (480, 640, 3)
