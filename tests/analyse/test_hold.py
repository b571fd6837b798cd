import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.analyse.hold import Hold


def looked_at(hold: Hold, moments: list[tuple[float, bool]]) -> list[float]:
    return [at_s for at_s, happens in moments if hold(at_s, happens=happens)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], [0, 5, 10, 15]),
        ([3], [0, 3, 4, 5, 10, 15]),
        ([3, 4, 5], [0, 3, 4, 5, 6, 7, 12, 17]),
    ],
)
def test_what_happened_is_held_and_all_else_is_looked_at_now_and_then(events: list[int], expected: list[int]) -> None:
    assert looked_at(Hold(2.0, 5.0), [(float(t), t in events) for t in range(18)]) == expected


def test_it_begins_anew_where_time_goes_back() -> None:
    hold = Hold(10.0, 100.0)
    assert looked_at(hold, [(50.0, True), (51.0, False), (1.0, False), (2.0, False)]) == [50.0, 51.0, 1.0]


@given(
    st.lists(st.tuples(st.floats(0.0, 2.0), st.booleans()), max_size=60),
    st.floats(0.0, 5.0),
    st.floats(0.1, 5.0),
)
def test_every_event_is_looked_at_and_no_pause_is_longer_than_it_may_be(
    steps: list[tuple[float, bool]], hold_s: float, at_least_s: float
) -> None:
    hold, now, last, happened = Hold(hold_s, at_least_s), 0.0, None, None
    for step, happens in steps:
        now += step
        happened = now if happens else happened
        passes = hold(now, happens=happens)
        assert passes or not happens
        assert passes or (happened is None or now - happened > hold_s)
        assert passes or (last is not None and now - last < at_least_s)
        last = now if passes else last
