"""Whether one report is better than another, and whether that may be said at all."""

from collections import Counter
from itertools import combinations

import msgspec
import numpy as np
import pytest
from bench_reports import figure, live, report
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.tools.bench import compare as compare_module
from edge_infer.tools.bench.compare import DRIFT, OUTSIDE, compare, differences, ratio_of
from edge_infer.tools.bench.record import Outcome, Report

POSITIVE = st.floats(0.01, 1e6)


def offline(*rounds: float) -> Report:
    return report(Outcome(scenario="offline", about="", figures={"fps": figure(*rounds)}))


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((100, 101, 102, 103, 104), (120, 121, 122, 123, 124), "better"),
        ((120, 121, 122, 123, 124), (100, 101, 102, 103, 104), "worse"),
        ((100, 101, 102, 103, 104), (100.5, 101.5, 102.5, 103.5, 99.5), "within noise"),
        ((100, 100.1, 100.2, 100.3, 100.4), (101, 101.1, 101.2, 101.3, 101.4), "within noise"),  # sure, but too little
        ((100, 60, 140, 80, 120), (150, 70, 130, 110, 95), "within noise"),  # much, but not sure
        ((100, 101, 102, 103), (50, 51, 52, 53), "too few rounds"),
    ],
)
def test_rounds_decide_what_may_be_said(first: tuple[float, ...], second: tuple[float, ...], verdict: str) -> None:
    (found,) = compare(offline(*first), offline(*second))
    assert found.verdict == verdict


def test_of_a_latency_less_is_better() -> None:
    found = compare(report(live(10, 11, 12, 13, 14)), report(live(20, 21, 22, 23, 24)))
    assert {one.verdict for one in found} == {"worse"}
    assert {one.figure for one in found} == {"p50", "p90", "added p50", "added p90"}, "those without a value are not"
    assert all(one.worse_percent > 50 for one in found)


@given(st.lists(POSITIVE, min_size=5, max_size=7), st.lists(POSITIVE, min_size=5, max_size=7))
def test_a_comparison_turned_round_says_the_reverse(first: list[float], second: list[float]) -> None:
    ratio, low, high = ratio_of(first, second)
    back, back_low, back_high = ratio_of(second, first)
    assert low is not None
    assert high is not None
    assert back_low is not None
    assert back_high is not None
    assert low <= ratio <= high
    assert back_low == pytest.approx(1 / high, rel=1e-9)
    assert back_high == pytest.approx(1 / low, rel=1e-9)
    assert back_low <= back <= back_high


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 4), (5, 5), (2, 6)])
def test_the_orders_of_two_samples_are_counted(m: int, n: int) -> None:
    """By trying each."""
    inversions = Counter(sum(place - k for k, place in enumerate(chosen)) for chosen in combinations(range(m + n), m))
    assert compare_module._ways(m, n) == [inversions[u] for u in range(m * n + 1)]


def test_the_interval_holds_the_true_ratio_in_99_of_100_runs() -> None:
    random, runs, held = np.random.default_rng(3), 3000, 0
    for _ in range(runs):
        first, second = random.lognormal(0, 0.2, 5), random.lognormal(np.log(1.1), 0.2, 5)
        _, low, high = ratio_of(list(first), list(second))
        held += low is not None and high is not None and low <= 1.1 <= high
    assert held / runs >= 1 - 2 * OUTSIDE - 0.005


def test_what_else_is_not_the_same_is_said() -> None:
    first = offline(100, 101, 102, 103, 104)
    second = msgspec.structs.replace(
        first,
        throttled=("throttled",),
        machine=msgspec.structs.replace(first.machine, governor="powersave"),
        settings=msgspec.structs.replace(first.settings, workers=2),
    )
    assert differences(first, first) == []
    assert differences(first, second) == [
        "governor: ondemand, then powersave",
        "--workers: 1, then 2",
        "the second run was throttled: throttled",
    ]


def test_models_and_scenarios_of_one_report_alone_are_left_out() -> None:
    assert compare(offline(1, 2, 3, 4, 5), report(live(1, 2, 3, 4, 5))) == []
    assert compare(offline(1, 2, 3, 4, 5), report(live(1, 2, 3, 4, 5), name="another")) == []


def test_a_report_against_itself_is_noise() -> None:
    one = report(live(10, 11, 12, 13, 14))
    assert {found.verdict for found in compare(one, one)} == {"within noise"}
    assert DRIFT < 0.1
