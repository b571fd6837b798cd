import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.prepare.loudness import SILENCE_DBFS, dbfs


def tone(amplitude: float, offset: float = 0.0) -> np.ndarray:
    samples = amplitude * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) + offset
    return samples.astype(np.float32)[:, None]


@pytest.mark.parametrize(("amplitude", "expected"), [(1.0, -3.01), (0.1, -23.01), (0.001, -63.01)])
def test_a_tone_is_as_loud_as_its_root_mean_square(amplitude: float, expected: float) -> None:
    assert dbfs(tone(amplitude)) == pytest.approx(expected, abs=0.01)


def test_a_constant_voltage_is_not_heard() -> None:
    assert dbfs(tone(0.01, offset=0.5)) == pytest.approx(dbfs(tone(0.01)), abs=0.01)
    assert dbfs(np.full((100, 1), 0.7, np.float32)) < -100.0


def test_the_loudest_channel_counts() -> None:
    both = np.concatenate([tone(0.001), tone(0.5)], axis=1)
    assert dbfs(both) == pytest.approx(dbfs(tone(0.5)))


@pytest.mark.parametrize("silent", [np.zeros((10, 2)), np.zeros((0, 1)), np.full((5, 1), np.nan)])
def test_silence_is_no_infinity(silent: np.ndarray) -> None:
    assert dbfs(silent.astype(np.float32)) == SILENCE_DBFS


@given(st.floats(1e-4, 1.0), st.floats(0.1, 1.0))
def test_half_as_strong_is_six_decibels_less(amplitude: float, factor: float) -> None:
    assert dbfs(tone(amplitude * factor)) - dbfs(tone(amplitude)) == pytest.approx(20 * np.log10(factor), abs=0.02)
