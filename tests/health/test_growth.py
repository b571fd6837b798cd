import random

import pytest

from edge_infer.health.growth import KNOWN_AFTER, SAMPLE_S, WINDOW, Growth, Slope

MB = 1e6


def slope(values: list[float]) -> Slope:
    """After one value a minute."""
    found = Slope()
    for minute, value in enumerate(values):
        found.add(minute * SAMPLE_S, value)
    return found


def test_nothing_is_said_before_enough_is_known() -> None:
    assert slope([100 * MB] * (KNOWN_AFTER - 1)).per_hour is None
    assert slope([100 * MB] * KNOWN_AFTER).per_hour == 0.0


def test_steady_growth_is_told_to_the_byte() -> None:
    found = slope([100 * MB + minute * MB for minute in range(WINDOW)])
    assert found.per_hour == pytest.approx(60 * MB)
    assert found.steadily_above(50_000_000)
    assert not found.steadily_above(70_000_000)
    assert not found.steadily_above(None)


def test_noise_does_not_hide_growth() -> None:
    random.seed(1)
    found = slope([100 * MB + minute * MB + random.gauss(0, 3 * MB) for minute in range(WINDOW)])
    assert found.per_hour == pytest.approx(60 * MB, rel=0.1)
    assert found.steadily_above(40_000_000)


FLAT = {
    "nothing happens": [100 * MB] * WINDOW,
    "a step, as when a model is loaded": [100 * MB] * 30 + [180 * MB] * 30,
    "a spike": [100 * MB] * 40 + [900 * MB] * 3 + [100 * MB] * 17,
    "a saw tooth": [100 * MB + minute % 10 * 8 * MB for minute in range(WINDOW)],
    "noise": [100 * MB + random.Random(minute).gauss(0, 10 * MB) for minute in range(WINDOW)],
    "it grew, and grows no more": [100 * MB + min(minute, 20) * 5 * MB for minute in range(WINDOW)],
}


@pytest.mark.parametrize("values", FLAT.values(), ids=FLAT)
def test_no_steady_growth_is_seen_where(values: list[float]) -> None:
    assert not slope(values).steadily_above(20_000_000)


def test_the_window_forgets() -> None:
    found = slope([minute * MB for minute in range(WINDOW)] + [WINDOW * MB] * WINDOW)
    assert found.per_hour == 0.0
    assert len(found._samples) == WINDOW


def test_samples_of_a_process_are_wanted_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("edge_infer.health.growth.time.monotonic", lambda: now)
    growth, taken = Growth(), 0
    for _ in range(4000):
        now += 1.0
        if growth.is_due:
            growth.add(int(50 * MB + now * 1000), 20 + int(now / 600))
            taken += 1
    assert taken == pytest.approx(3900 / 60, abs=2)
    assert growth.rss_bytes_h == pytest.approx(3.6 * MB)
    assert growth.open_files_h == pytest.approx(6, rel=0.2)
