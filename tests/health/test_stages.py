import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.health.stages import FIRST_MS, GROWTH, Histogram, StageTimes, summaries

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


@given(durations, durations)
def test_what_came_after_a_copy_is_told_apart(before: list[float], after: list[float]) -> None:
    histogram, expected = Histogram(), Histogram()
    for ms in before:
        histogram.add(ms)
    copy = histogram.copy()
    for ms in after:
        histogram.add(ms)
        expected.add(ms)
    new = histogram.since(copy)
    assert (new.counts, new.total) == (expected.counts, len(after))
    assert new.sum_ms == pytest.approx(sum(after), abs=1e-6)
    assert max(after) * (1 - 1e-9) <= new.max_ms <= max(after) * GROWTH * (1 + 1e-9)
    assert copy.total == len(before)
    assert histogram.since(histogram.copy()).max_ms == 0.0


@given(durations, st.lists(st.floats(0.0, 200_000.0), min_size=2, max_size=5).map(sorted))
def test_how_many_are_below_a_limit_is_known_to_a_bucket(ms: list[float], limits: list[float]) -> None:
    histogram = Histogram()
    for one in ms:
        histogram.add(one)
    below = [histogram.below(limit) for limit in limits]
    assert below == sorted(below)
    for limit, count in zip(limits, below, strict=True):
        assert sum(one < limit / GROWTH for one in ms) <= count <= sum(one < limit * GROWTH for one in ms)


def test_stages_are_summed_up_between_two_moments() -> None:
    times = StageTimes()
    times.add({"infer": 500.0, "prepare": 1.0})
    before = times.copy()
    for ms in range(1, 101):
        times.add({"infer": float(ms), "decode": 0.5})
    summed = summaries(times.copy(), before)
    assert set(summed) == {"infer", "decode"}
    assert summed["infer"].count == 100
    assert summed["infer"].max == pytest.approx(100.0, rel=GROWTH - 1)
    assert summed["infer"].p50 == pytest.approx(50, rel=GROWTH - 1)
    assert summed["infer"].p95 == pytest.approx(95, rel=GROWTH - 1)
    assert (summed["decode"].p99, summed["decode"].max) == (0.5, 0.5)
    assert summaries(times.copy(), times.copy()) == {}


def test_threads_lose_no_counts() -> None:
    times = StageTimes()
    before = times.copy()
    threads = [threading.Thread(target=lambda: [times.add({"infer": 1.0}) for _ in range(2000)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    counted = 0
    while any(thread.is_alive() for thread in threads):
        now = times.copy()
        counted, before = counted + sum(stage.count for stage in summaries(now, before).values()), now
    counted += sum(stage.count for stage in summaries(times.copy(), before).values())
    assert counted == 6000
