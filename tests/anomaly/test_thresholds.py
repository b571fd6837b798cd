"""Thresholds, and what may be said of how often they are reached."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.tools.fit_anomaly.threshold import DAY_S, alarm_rate, threshold_for


@pytest.mark.parametrize(
    ("alarms", "low", "high"),
    # Source: Garwood 1936, table of 95 % limits
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (3, 0.6187, 8.767), (10, 4.795, 18.39), (50, 37.11, 65.92)],
)
def test_rates_have_the_published_limits(alarms: int, low: float, high: float) -> None:
    assert alarm_rate(alarms, DAY_S) == pytest.approx((low, high), rel=1e-3, abs=1e-9)
    assert alarm_rate(alarms, DAY_S / 24) == pytest.approx((24 * low, 24 * high), rel=1e-3, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 200))
def test_a_rate_lies_between_its_limits(alarms: int) -> None:
    low, high = alarm_rate(alarms, DAY_S)
    assert low <= alarms < high


@settings(max_examples=20)
@given(seed=st.integers(0, 99), factor=st.floats(1e-3, 1e3), per_day=st.floats(0.1, 100))
def test_a_threshold_grows_with_the_scores_and_with_rarity(seed: int, factor: float, per_day: float) -> None:
    scores = np.random.default_rng(seed).chisquare(8, 200)
    one = threshold_for(scores, 200.0, per_day)
    assert one.lowest <= one.highest
    assert threshold_for(scores, 200.0, per_day / 2).score > one.score > np.quantile(scores, 0.9)
    assert threshold_for(factor * scores, 200.0, per_day).score == pytest.approx(factor * one.score, rel=1e-6)


def test_alarms_come_about_as_often_as_was_wished() -> None:
    rng = np.random.default_rng(0)
    many = np.sort(rng.chisquare(16, 400_000))
    alarms = []
    for _ in range(40):
        threshold = threshold_for(rng.chisquare(16, 600), 600.0, per_day=240.0).score
        alarms.append((1 - np.searchsorted(many, threshold) / len(many)) * DAY_S)
    assert 120 < np.mean(alarms) < 480
