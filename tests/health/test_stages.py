import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.health.stages import FIRST_MS, GROWTH, Histogram, StageTimes

durations = st.lists(st.floats(FIRST_MS, 100_000.0), min_size=1, max_size=60)


@given(durations, st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_at_most_a_bucket_above_the_true_one(ms: list[float], share: float) -> None:
    histogram = Histogram()
    for one in ms:
        histogram.add(one)
    true = sorted(ms)[math.ceil(len(ms) * share) - 1]
    # A value on the edge of a bucket may fall to either side of it, by rounding.
    assert true * (1 - 1e-9) <= histogram.percentile(share) * (1 + 1e-9)
    assert histogram.percentile(share) <= true * GROWTH * (1 + 1e-9)


def test_without_durations_every_percentile_is_zero() -> None:
    assert Histogram().percentile(0.5) == 0.0
    assert Histogram().max_ms == 0.0


@pytest.mark.parametrize("ms", [-1.0, 0.0, 1e-9, 1e9])
def test_durations_beyond_the_buckets_are_counted(ms: float) -> None:
    histogram = Histogram()
    histogram.add(ms)
    assert histogram.total == sum(histogram.counts) == 1
    assert histogram.percentile(1.0) <= max(ms, 0.0)


def test_no_percentile_exceeds_the_longest_duration() -> None:
    histogram = Histogram()
    histogram.add(10.0)
    assert histogram.percentile(0.5) == histogram.percentile(0.99) == 10.0


def test_stages_are_counted_until_they_are_taken() -> None:
    times = StageTimes()
    for ms in range(1, 101):
        times.add({"infer": float(ms), "decode": 0.5})
    taken = times.take()
    assert taken["infer"].count == 100
    assert taken["infer"].max == 100.0
    assert taken["infer"].p50 == pytest.approx(50, rel=GROWTH - 1)
    assert taken["infer"].p95 == pytest.approx(95, rel=GROWTH - 1)
    assert taken["decode"].p99 == 0.5
    assert times.take() == {}


def test_threads_lose_no_counts() -> None:
    times = StageTimes()
    threads = [threading.Thread(target=lambda: [times.add({"infer": 1.0}) for _ in range(2000)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    counted = 0
    while any(thread.is_alive() for thread in threads):
        counted += sum(stage.count for stage in times.take().values())
    counted += sum(stage.count for stage in times.take().values())
    assert counted == 6000
