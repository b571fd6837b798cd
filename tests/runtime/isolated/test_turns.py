import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from edge_infer.runtime.isolated.turns import Turns


class Waiter:
    """A thread that takes a turn; `got` is what came of it."""

    def __init__(self, turns: Turns[str], *wanted: str, hopeful: bool = False) -> None:
        self.got: list[str | None] = []
        self._turns = turns
        self._before = waiting(turns)
        self._thread = threading.Thread(
            target=lambda: self.got.append(turns.take(wanted, 20.0, hopeful=hopeful)), daemon=True
        )
        self._thread.start()
        until(lambda: self.got or waiting(turns) > self._before)

    def result(self) -> str | None:
        self._thread.join(20.0)
        return self.got[0]


def waiting(turns: Turns[str]) -> int:
    return len(turns._wishes)


def test_what_is_free_is_taken_in_the_order_of_the_wish() -> None:
    turns = Turns[str]()
    turns.offer("a")
    turns.offer("b")
    assert turns.take(["b", "a"], 0.0, hopeful=False) == "b"
    assert turns.take(["b", "a"], 0.0, hopeful=False) == "a"


def test_what_nobody_offers_is_not_waited_for() -> None:
    turns = Turns[str]()
    assert turns.take(["a"], 20.0, hopeful=True) is None
    turns.offer("b")
    assert turns.take(["a"], 20.0, hopeful=True) is None


def test_who_waits_longest_is_next_and_nobody_pushes_in() -> None:
    turns = Turns[str]()
    turns.offer("a")
    assert turns.take(["a"], 0.0, hopeful=False) == "a"
    first, second = Waiter(turns, "a"), Waiter(turns, "a")
    turns.offer("a")
    assert first.result() == "a"
    assert not second.got
    with pytest.raises(TimeoutError):
        turns.take(["a"], 0.0, hopeful=False)
    turns.offer("a")
    assert second.result() == "a"


def test_who_waits_for_several_gets_the_first_that_comes_free() -> None:
    turns = Turns[str]()
    for thing in "ab":
        turns.offer(thing)
        turns.take([thing], 0.0, hopeful=False)
    waiter = Waiter(turns, "a", "b")
    turns.offer("b")
    assert waiter.result() == "b"


def test_who_waits_for_what_is_withdrawn_is_told_but_the_hopeful_wait_for_what_comes() -> None:
    turns = Turns[str]()
    turns.offer("a")
    turns.take(["a"], 0.0, hopeful=False)
    sober, hopeful = Waiter(turns, "a"), Waiter(turns, "a", hopeful=True)
    turns.withdraw("a", coming=True)
    assert sober.result() is None
    assert not hopeful.got
    turns.offer("a")
    assert hopeful.result() == "a"


def test_a_hope_that_is_given_up_ends_the_wait() -> None:
    turns = Turns[str]()
    turns.withdraw("a", coming=True)
    hopeful = Waiter(turns, "a", hopeful=True)
    turns.withdraw("a", coming=False)
    assert hopeful.result() is None


def test_who_gave_up_waiting_is_not_served() -> None:
    turns = Turns[str]()
    turns.offer("a")
    turns.take(["a"], 0.0, hopeful=False)
    with pytest.raises(TimeoutError):
        turns.take(["a"], 0.01, hopeful=False)
    turns.offer("a")
    assert turns.take(["a"], 0.0, hopeful=False) == "a"


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 20))
def test_nothing_is_ever_used_by_two(things: int, threads: int, each: int) -> None:
    turns = Turns[int]()
    for thing in range(things):
        turns.offer(thing)
    used: set[int] = set()
    clashes: list[int] = []
    served = [0] * threads

    def use(number: int) -> None:
        for _ in range(each):
            thing = turns.take(range(things), 20.0, hopeful=False)
            assert thing is not None
            if thing in used:
                clashes.append(thing)
            used.add(thing)
            used.discard(thing)
            turns.offer(thing)
            served[number] += 1

    users = [threading.Thread(target=use, args=(number,)) for number in range(threads)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not clashes
    assert served == [each] * threads
