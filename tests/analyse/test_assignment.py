"""Who belongs to whom, at the least cost together."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edge_infer.analyse.assignment import assign
from edge_infer.types import Array

COSTS = arrays(
    float, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5), elements=st.integers(0, 9) | st.just(np.inf)
)


def least(cost: Array, limit: float) -> float:
    """By trying all."""
    rows, columns = cost.shape
    alone = np.full((rows, rows), limit)
    choices = np.concatenate([cost, alone], axis=1)
    return min(choices[range(rows), list(picked)].sum() for picked in permutations(range(rows + columns), rows))


@given(COSTS, st.integers(0, 12))
def test_nothing_is_cheaper(cost: Array, limit: int) -> None:
    rows, columns = assign(cost, limit)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(set(columns.tolist())) == len(columns)
    assert (cost[rows, columns] < limit).all()
    assert cost[rows, columns].sum() + limit * (len(cost) - len(rows)) == least(cost, limit)


def test_one_gives_way_where_all_together_gain() -> None:
    rows, columns = assign(np.array([[1.0, 2.0], [1.5, np.inf]]), 10.0)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])


def test_who_costs_more_than_staying_alone_stays_alone() -> None:
    rows, columns = assign(np.array([[5.0, 1.0], [1.0, 0.5]]), 1.0)
    assert (rows.tolist(), columns.tolist()) == ([1], [1])


def test_many_who_all_want_the_same_are_sorted_out() -> None:
    """The assignment of n people to places on a line, all in a heap: the cheapest keeps their order."""
    random = np.random.default_rng(1)
    people, places = np.sort(random.random(150)), np.sort(random.random(150))
    rows, columns = assign((people[:, None] - places) ** 2, 10.0)
    assert rows.tolist() == columns.tolist() == list(range(150))
