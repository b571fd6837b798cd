"""Ranges behave as sets of numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.wire.deflate import InflateError, deflate, inflate
from edge_infer.wire.ranges import Ranges

SPAN = st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(st.tuples(st.booleans(), SPAN), max_size=40), SPAN)
def test_ranges_do_what_sets_do(steps: list[tuple[bool, tuple[int, int]]], window: tuple[int, int]) -> None:
    ranges, numbers = Ranges(), set[int]()
    for add, (first, last) in steps:
        span = set(range(first, last + 1))
        if add:
            assert ranges.add(first, last) == len(span - numbers)
            numbers |= span
        else:
            assert ranges.remove(first, last) == len(span & numbers)
            numbers -= span
    assert {n for first, last in ranges for n in range(first, last + 1)} == numbers
    assert ranges.count == len(numbers)
    assert [n for n in range(90) if n in ranges] == sorted(numbers)
    spans = list(ranges)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(spans))
    assert ranges == Ranges(spans)
    first, last = window
    inside = {n for a, b in ranges.within(first, last) for n in range(a, b + 1)}
    holes = {n for a, b in ranges.holes(first, last) for n in range(a, b + 1)}
    assert inside == numbers & set(range(first, last + 1))
    assert holes == set(range(first, last + 1)) - numbers


def test_a_huge_range_costs_nothing() -> None:
    ranges = Ranges([(1, 10)])
    assert ranges.add(5, 2**62) == 2**62 - 10
    assert ranges.remove(1, 2**62) == 2**62
    assert not ranges


@given(st.binary(max_size=2000))
def test_what_was_deflated_comes_back(payload: bytes) -> None:
    assert inflate(deflate(payload)) == payload


def test_json_is_left_as_it_is() -> None:
    assert inflate(b'{"a": 1}') == b'{"a": 1}'


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (deflate(b"0" * 2000), "grows beyond 1000 bytes"),
        (deflate(b"0" * 500)[:-3], "cut off"),
        (b"x" + b"\xff" * 20, "cannot be decompressed"),
        (b"{" * 1001, "the limit is 1000"),
    ],
)
def test_what_cannot_be_inflated_is_said(payload: bytes, said: str) -> None:
    with pytest.raises(InflateError, match=said):
        inflate(payload, 1000)
