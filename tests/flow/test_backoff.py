from hypothesis import given
from hypothesis import strategies as st

from edge_infer.flow.backoff import Backoff


def highest(low: float, high: float) -> float:
    return high


@given(base=st.floats(0.001, 10.0), cap=st.floats(0.001, 100.0), failures=st.integers(1, 30))
def test_a_delay_lies_between_zero_and_the_ceiling_of_its_attempt(base: float, cap: float, failures: int) -> None:
    backoff = Backoff(base=base, cap=cap)
    for attempt in range(failures):
        assert 0.0 <= backoff.next_delay() <= min(cap, base * 2**attempt)


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base=0.5, cap=3.0, uniform=highest)
    assert [backoff.next_delay() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_delays_differ_from_device_to_device() -> None:
    assert len({Backoff().next_delay() for _ in range(20)}) > 1


def test_success_makes_the_next_delay_small_again() -> None:
    backoff = Backoff(base=0.5, cap=30.0, uniform=highest)
    for _ in range(5):
        backoff.next_delay()
    backoff.reset()
    assert backoff.next_delay() == 0.5


def test_a_week_of_failures_does_not_overflow() -> None:
    backoff = Backoff(base=0.5, cap=30.0, attempt=1_000_000, uniform=highest)
    assert backoff.next_delay() == 30.0
