"""The ledger against a set of numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_infer.wire.ledger import Ledger

RANGES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair))), max_size=30)


@given(RANGES, st.integers(0, 60))
def test_a_ledger_knows_what_a_set_of_numbers_knows(added: list[tuple[int, int]], last: int) -> None:
    ledger, seen, duplicates = Ledger(), set[int](), 0
    for first, end in added:
        numbers = set(range(first, end + 1))
        duplicates += len(numbers & seen)
        assert numbers_in(ledger.add(first, end)) == sorted(numbers - seen)
        seen |= numbers
    assert len(ledger) == len(seen)
    assert ledger.duplicates == duplicates
    assert numbers_in(ledger.ranges()) == sorted(seen)
    assert numbers_in(ledger.missing(last)) == sorted(set(range(1, last + 1)) - seen)


@given(RANGES)
def test_ranges_rise_and_neither_overlap_nor_touch(added: list[tuple[int, int]]) -> None:
    ledger = Ledger()
    for first, end in added:
        ledger.add(first, end)
    ranges = ledger.ranges()
    assert all(left[1] + 1 < right[0] for left, right in pairwise(ranges))


def test_a_ledger_without_holes_holds_one_range() -> None:
    ledger = Ledger()
    for seq in range(1, 10_001):
        ledger.add(seq, seq)
    assert ledger.ranges() == [(1, 10_000)]
    assert ledger.missing(10_000) == []


def numbers_in(ranges: list[tuple[int, int]]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]
