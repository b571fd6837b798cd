"""A golden test of windows of samples is kept, read, and held against the model like one of pictures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle.bundle import open_bundle
from edge_infer.errors import ModelError
from edge_infer.golden import golden_problems, golden_verdicts
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.golden.file import golden_bytes, read_golden
from edge_infer.loading import load
from edge_infer.types import Array, Classes, Frame, Measurements, Span

ACTIVITY = Path(__file__).resolve().parents[2] / "models/activity"
SAID = Classes(np.array([1]), np.float32([0.9]), ("x",))


def window(data: Array, channels: tuple[str, ...], units: tuple[str, ...] = (), rate_hz: float = 10.0) -> Frame:
    return Frame("s", 3, data, 0.0, 0, span=Span(500, len(data), rate_hz, channels, units))


@given(
    samples=st.integers(1, 30),
    names=st.lists(st.text("abc xyz_µ", max_size=5).map(lambda text: text.strip()), min_size=1, max_size=4),
    rate_hz=st.floats(0, 1e6),
    told=st.booleans(),
)
def test_a_window_is_read_as_it_was_kept(
    tmp_path_factory: pytest.TempPathFactory, samples: int, names: list[str], rate_hz: float, told: bool
) -> None:
    data = np.random.default_rng(0).standard_normal((samples, len(names))).astype(np.float32)
    given = window(data, tuple(names), ("m",) * len(names) if told else (), rate_hz)
    path = tmp_path_factory.getbasetemp() / "kept.npz"
    path.write_bytes(golden_bytes([(given, COMPARISONS["classes"].record(SAID))]))
    (read,) = read_golden(path, COMPARISONS["classes"])
    assert np.array_equal(read.frame.data, data)
    assert given.span is not None
    assert read.frame.span == replace(given.span, start=0)


def test_units_of_channels_are_not_taken_for_those_of_measurements(tmp_path: Path) -> None:
    said = Measurements(np.float32([1, 2]), ("a", "b"), ("C", "bar"))
    path = tmp_path / "golden.npz"
    frame = window(np.zeros((4, 1), np.float32), ("x",), ("g",))
    path.write_bytes(golden_bytes([(frame, COMPARISONS["measurements"].record(said))]))
    (read,) = read_golden(path, COMPARISONS["measurements"])
    assert read.prediction.units == ("C", "bar")  # type: ignore[union-attr]
    assert read.frame.span is not None
    assert read.frame.span.units == ("g",)


KEPT = {
    "frame_0": np.zeros((4, 2), np.float32), "channels_0": np.array(["x", "y"]), "channel_units_0": np.array([], str),
    "rate_hz_0": np.array(10.0), "class_ids_0": np.array([1]), "scores_0": np.float32([1]), "labels_0": np.array(["a"]),
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"frame_0": np.zeros((4, 2))},
        {"frame_0": np.zeros((4, 3), np.float32)},
        {"frame_0": np.zeros((0, 2), np.float32)},
        {"frame_0": np.zeros((4, 2, 1), np.float32)},
        {"rate_hz_0": np.array([1.0, 2.0])},
        {"rate_hz_0": np.array("fast")},
        {"channels_0": np.array([["x", "y"]])},
    ],
)
def test_a_window_that_is_none_is_damage(tmp_path: Path, change: dict[str, Any]) -> None:
    np.savez(tmp_path / "golden.npz", **KEPT | change)
    with pytest.raises(ModelError, match=r"golden\.npz is damaged"):
        read_golden(tmp_path / "golden.npz", COMPARISONS["classes"])


def test_what_differs_is_said_with_its_window() -> None:
    bundle = open_bundle(ACTIVITY)
    with load(ACTIVITY, device="cpu", std=(70.0,) * 6) as wrong:
        problems = golden_problems(bundle, wrong)
        assert problems is not None
        assert any(problem.startswith("window 1: class") for problem in problems)
    with load(ACTIVITY, device="cpu") as model:
        verdicts = list(golden_verdicts(bundle, model))
    assert [(one.noun, one.frame.number, one.problems) for one in verdicts] == [("window", i, []) for i in range(4)]
