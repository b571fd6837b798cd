import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.sources.lateness import LEAST_S, Lateness

RATE = 16000
BLOCK = 0.1


def lost(blocks: list[tuple[float, float]]) -> int:
    """Samples that are missed of blocks (second at which it comes, seconds of sound in it)."""
    late, given, missed = Lateness(RATE), 0.0, 0
    for at, seconds in blocks:
        given += seconds
        missed += late.lost(round(at * 1e9), round(given * RATE) + missed)
    return missed


def steady(start: float, seconds: float, drift: float = 0.0) -> list[tuple[float, float]]:
    return [(start + k * BLOCK * (1 + drift), BLOCK) for k in range(1, round(seconds / BLOCK) + 1)]


@given(st.floats(-0.001, 0.001))
def test_a_clock_that_drifts_is_no_loss(drift: float) -> None:
    assert lost(steady(0, 600, drift)) == 0


@given(st.floats(0.7, 20.0))
def test_what_was_left_out_in_a_pause_is_counted(pause: float) -> None:
    assert lost([*steady(0, 10), *steady(10 + pause, 10)]) == pytest.approx(pause * RATE, abs=LEAST_S * RATE)


@given(st.floats(0.7, 5.0))
def test_what_comes_late_all_at_once_is_not(pause: float) -> None:
    burst = [(10 + pause, BLOCK)] * round(pause / BLOCK)
    assert lost([*steady(0, 10), *burst, *steady(10 + pause, 10)]) <= 2 * BLOCK * RATE


def test_a_late_beginning_is_no_loss() -> None:
    assert lost(steady(1000.0, 5)) == 0
