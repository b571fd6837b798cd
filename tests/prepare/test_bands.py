"""Band energies of a window."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import ModelError
from edge_infer.features import Bands
from edge_infer.prepare.bands import BandsFrontEnd, band_edges, band_energies
from edge_infer.prepare.samples import SampleOptions, SamplePreparer
from edge_infer.sources.source import clocks
from edge_infer.types import Frame, Span, TensorSpec


def bands(**said: object) -> Bands:
    return Bands(**{"segment": 64, "bands": 8, "floor": (1e-6,)} | said)  # type: ignore[arg-type]


def spec(count: int) -> TensorSpec:
    return TensorSpec("features", (1, count), np.dtype(np.float32))


@given(segment=st.integers(2, 2048), share=st.floats(0, 1))
def test_every_band_has_a_bin_and_every_bin_a_band(segment: int, share: float) -> None:
    count = max(1, round(share * (segment // 2)))
    edges = band_edges(bands(segment=segment, bands=count))
    assert (edges[0], edges[-1]) == (1, segment // 2 + 1)
    assert (np.diff(edges) >= 1).all()


def test_the_bands_of_white_noise_add_up_to_its_variance() -> None:
    noise = np.random.default_rng(0).normal(5.0, 3.0, (100_000, 1)).astype(np.float32)
    energies = band_energies(noise, 64, band_edges(bands()))
    assert energies.shape == (1, 8)
    assert energies.sum() == pytest.approx(9.0, rel=0.08)  # the mean of a segment is taken away, too


def test_a_tone_is_in_the_band_of_its_frequency_with_half_its_square() -> None:
    tone = 2.0 * np.sin(2 * np.pi * 20 / 64 * np.arange(6400))[:, None].astype(np.float32)
    edges = band_edges(bands())
    energies = band_energies(tone, 64, edges)[0]
    assert edges[energies.argmax()] <= 20 < edges[energies.argmax() + 1]
    assert energies.sum() == pytest.approx(2.0, rel=0.01)


def test_channels_follow_each_other_each_with_its_level_and_its_own_floor() -> None:
    features = bands(level=True, floor=(1e-6, 1e-2))
    preparer = SamplePreparer(
        spec(18), SampleOptions(sound=False, rate_hz=10.0, window=256, channels=("b", "a"), features=features)
    )
    assert (preparer.wanted.samples, preparer.wanted.channels) == (256, 2)
    data = np.full((256, 2), (7.0, -3.0), np.float32)
    tensor, _ = preparer(Frame("s", 0, data, *clocks(), span=Span(0, 256, 10.0, ("a", "b"))))
    quiet = np.float32([math.log(1e-6), math.log(1e-2)])
    assert tensor[0].tolist() == [-3.0, *[quiet[0]] * 8, 7.0, *[quiet[1]] * 8]


@pytest.mark.parametrize(
    ("features", "count", "window", "said"),
    [
        (bands(), 9, 256, "does not take the 8 features of 1 channels"),
        (bands(bands=33), 33, 256, "at most 32 bands, not 33"),
        (bands(), 8, 63, "longer than a window of 63"),
        (bands(floor=(1.0, 1.0)), 8, 256, "floor has 2 numbers"),
    ],
)
def test_what_does_not_fit_is_said(features: Bands, count: int, window: int, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        BandsFrontEnd(features, spec(count), 1, window)
