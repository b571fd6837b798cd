"""A result of samples is drawn on a plot of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.draw import COLORS, draw
from edge_infer.draw.plot import GROUND, curve, plot, ranges
from edge_infer.types import Anomaly, Array, Classes, Detections, ModelId, Prediction, Result, Span, Tensors

LANES = 140  # px from the left where the curves of a low lane begin at the latest, of 320


def classes(*labels: str) -> Classes:
    return Classes(np.arange(len(labels)), np.full(len(labels), 0.5, np.float32), labels)


def result(samples: Array, prediction: Prediction | None = None, **more: object) -> Result:
    told = {"rate_hz": 10.0, "channels": tuple(f"c{i}" for i in range(samples.shape[1])), **more}
    span = Span(0, len(samples), **told)  # type: ignore[arg-type]
    return Result("s", 0, 0.0, 0, (0, 0), "classify", ModelId("m", "", ""), "cpu", prediction, span=span)


def rows_of(image: Array, color: tuple[int, int, int], columns: slice = slice(None)) -> Array:
    """Rows that a curve of this colour touches."""
    return np.unique(np.argwhere((image[:, columns] == color).all(axis=2))[:, 0])


def test_each_channel_has_a_lane_and_a_colour_of_its_own() -> None:
    samples = np.float32([[np.sin(i / 3), np.cos(i / 5), i % 2] for i in range(50)])
    drawn = draw(samples, result(samples))
    assert drawn.shape == (480, 640, 3)
    lanes = [rows_of(drawn, color, slice(300, None)) for color in COLORS[:3]]
    assert all(len(lane) for lane in lanes)
    assert lanes[0].max() < lanes[1].min() <= lanes[1].max() < lanes[2].min()


def test_a_higher_value_is_drawn_higher() -> None:
    samples = np.repeat(np.float32([[-1], [1]]), 20, axis=0)
    drawn = plot(samples, result(samples))
    assert rows_of(drawn, COLORS[0], slice(0, 300)).mean() > rows_of(drawn, COLORS[0], slice(340, None)).mean()


def test_channels_of_one_unit_share_their_scale_and_others_do_not() -> None:
    samples = np.float32([[0, 0, 0], [1, 100, 7]])
    span = Span(0, 2, 10.0, ("x", "y", "t"), ("g", "g", "C"))
    assert ranges(samples, span) == [(0, 100), (0, 100), (0, 7)]
    assert ranges(samples, Span(0, 2, 10.0, ("x", "y", "t"))) == [(0, 1), (0, 100), (0, 7)]


def test_silence_looks_like_silence() -> None:
    quiet = (np.random.default_rng(0).standard_normal((16000, 1)) * 1e-5).astype(np.float32)
    assert ranges(quiet, Span(0, 16000, 16000.0, ("mono",))) == [(-0.01, 0.01)]
    assert len(rows_of(plot(quiet, result(quiet, rate_hz=16000.0)), COLORS[0])) < 10
    still = np.full((10, 1), 20.0, np.float32)
    assert ranges(still, Span(0, 10, 1.0, ("t",))) == [(pytest.approx(19.99), pytest.approx(20.01))]


def test_a_peak_of_one_sample_is_seen_among_thousands() -> None:
    sound = np.full((15600, 1), 0.1, np.float32)
    sound[7000] = 0.9
    assert rows_of(plot(sound, result(sound, rate_hz=16000.0)), COLORS[0]).min() < 60


def test_what_is_no_number_leaves_a_gap() -> None:
    values = np.float32([0, 1, np.nan, np.nan, 1, np.inf, 0])
    parts = [part[:, 0].tolist() for part in curve(values, (0.0, 1.0), 70)]
    assert parts[0] == [0, 11.5]
    many = np.tile(np.float32([np.nan, 1, 0]), 1000)
    assert len(list(curve(many, (0.0, 1.0), 70))) == 1, "of a pixel's samples the known ones count"
    nothing = np.full((5, 2), np.nan, np.float32)
    assert plot(nothing, result(nothing)).shape == (480, 640, 3)


@pytest.mark.parametrize(
    "prediction",
    [
        classes("running", "walking"),
        Anomaly(3.0, 2.0),
        Detections(np.zeros((1, 4), np.float32), np.float32([0.9]), np.array([1]), ("bark",)),
    ],
)
@pytest.mark.parametrize("size", [(640, 480), (320, 240)])
def test_what_was_said_stands_above_the_curves(prediction: Prediction, size: tuple[int, int]) -> None:
    samples = np.float32([[np.sin(i / 3), np.cos(i / 5)] for i in range(50)])
    bare, drawn = plot(samples, result(samples), size), plot(samples, result(samples, prediction), size)
    plate = drawn[1, 1].tolist()
    assert plate != list(GROUND) != bare[1, 1].tolist()
    assert rows_of(drawn, COLORS[0], slice(LANES, None)).min() > rows_of(bare, COLORS[0], slice(LANES, None)).min()


NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, int), ())


@pytest.mark.parametrize("prediction", [None, Tensors({"a": np.zeros(3)}), NOTHING])
def test_samples_without_an_answer_are_drawn(prediction: Prediction | None) -> None:
    samples = np.float32([[1], [2], [1]])
    assert (plot(samples, result(samples, prediction)) != GROUND).any()


@given(
    samples=st.integers(1, 2000),
    channels=st.integers(1, 40),
    size=st.tuples(st.integers(1, 700), st.integers(1, 500)),
    scale=st.sampled_from([0.0, 1e-30, 1.0, 1e30, np.inf, np.nan]),
    name=st.text(max_size=40),
    rate=st.sampled_from([0.0, 10.0, 16000.0]),
)
def test_any_samples_can_be_drawn(
    samples: int, channels: int, size: tuple[int, int], scale: float, name: str, rate: float
) -> None:
    with np.errstate(invalid="ignore"):
        data = (np.random.default_rng(0).standard_normal((samples, channels)) * scale).astype(np.float32)
    drawn = plot(data, result(data, classes(name), rate_hz=rate, channels=(name,) * channels, units=(name,)), size)
    assert drawn.shape == (size[1], size[0], 3)
