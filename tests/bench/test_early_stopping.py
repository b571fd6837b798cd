"""Percentiles are bounds that hold, or are not told."""

import numpy as np
import pytest

from edge_infer.tools.bench.early_stopping import CONFIDENCE, bound, highest, needed, plain


@pytest.mark.parametrize(
    ("n", "share", "place"),
    [(63, 0.9, 0), (64, 0.9, 1), (661, 0.99, 0), (662, 0.99, 1), (1856, 0.9, 155), (0, 0.9, 0), (1, 0.5, 0)],
)
def test_the_latency_that_is_told_is_the_one_that_loadgen_tells(n: int, share: float, place: int) -> None:
    assert highest(n, share) == place


@pytest.mark.parametrize(("share", "n"), [(0.9, 64), (0.99, 662)])
def test_a_percentile_says_how_many_samples_it_needs(share: float, n: int) -> None:
    assert needed(share) == n
    assert (highest(n - 1, share), highest(n, share)) == (0, 1)


@pytest.mark.parametrize(("n", "share"), [(64, 0.9), (200, 0.9), (700, 0.99)])
def test_the_bound_holds_in_99_of_100_runs(n: int, share: float) -> None:
    runs = 5_000
    latencies = np.sort(np.random.default_rng(1).exponential(size=(runs, n)), axis=1)
    held = np.mean(latencies[:, -highest(n, share)] >= -np.log(1 - share))  # the true percentile of an exponential
    assert held >= CONFIDENCE - 3 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / runs)


def test_too_few_samples_give_no_number_but_say_how_many_are_needed() -> None:
    said = bound([1.0] * 100, 0.99)
    assert (said.value, said.n, said.reason) == (None, 100, "needs 662 samples, has 100")


def test_the_bound_is_that_of_all_rounds_and_the_rounds_have_their_own() -> None:
    rounds = [[float(ms) for ms in range(1, 101)], [float(ms) for ms in range(101, 201)]]
    said = bound(rounds[0] + rounds[1], 0.9, rounds)
    assert said.value == 201 - highest(200, 0.9)
    assert said.value >= plain(rounds[0] + rounds[1], 0.9)
    assert said.rounds == (90.0, 190.0)
