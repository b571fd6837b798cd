import threading
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from edge_infer.flow.mailbox import Closed, Mailbox

DEADLINE = 10.0


def test_items_come_out_in_the_order_they_went_in() -> None:
    mailbox = Mailbox[int](3, lossy=False)
    for item in (1, 2, 3):
        assert mailbox.put(item)
    assert [mailbox.get(), mailbox.get(), mailbox.get()] == [1, 2, 3]


def test_a_full_lossy_mailbox_drops_the_oldest_and_counts_it() -> None:
    mailbox = Mailbox[int](2, lossy=True)
    assert all(mailbox.put(item) for item in (1, 2, 3))
    assert mailbox.dropped == 1
    assert [mailbox.get(), mailbox.get()] == [2, 3]


def test_a_full_lossless_mailbox_takes_nothing_more_and_drops_nothing() -> None:
    mailbox = Mailbox[int](1, lossy=False)
    assert mailbox.put(1)
    assert not mailbox.put(2, timeout=0.01)
    assert mailbox.dropped == 0
    assert len(mailbox) == 1
    assert mailbox.get() == 1


def test_putting_waits_until_there_is_room() -> None:
    mailbox = Mailbox[int](1, lossy=False)
    mailbox.put(1)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(mailbox.put(2, DEADLINE)))
    thread.start()
    assert mailbox.get() == 1
    thread.join(DEADLINE)
    assert answers == [True]
    assert mailbox.get() == 2


def test_whoever_found_it_full_goes_on_when_a_quarter_is_left() -> None:
    mailbox = Mailbox[int](8, lossy=False)
    for item in range(8):
        mailbox.put(item)
    left: list[int] = []

    def put() -> None:
        mailbox.put(8, DEADLINE)
        left.append(len(mailbox))

    thread = threading.Thread(target=put)
    thread.start()
    until(lambda: mailbox._emptied._waiters, what="the thread waiting")  # type: ignore[attr-defined]
    for _ in range(6):
        assert not left
        mailbox.get()
    thread.join(DEADLINE)
    assert left == [3]


def test_getting_from_an_empty_mailbox_gives_none_after_the_timeout() -> None:
    assert Mailbox[int](1, lossy=True).get(timeout=0.01) is None


def test_a_falsy_item_is_not_taken_for_nothing() -> None:
    mailbox = Mailbox[int](1, lossy=True)
    mailbox.put(0)
    assert mailbox.get(timeout=0) == 0


def test_a_closed_mailbox_gives_what_waits_and_then_says_so() -> None:
    mailbox = Mailbox[int](2, lossy=True)
    mailbox.put(1)
    mailbox.close()
    mailbox.close()
    assert mailbox.get() == 1
    with pytest.raises(Closed):
        mailbox.get()


@pytest.mark.parametrize("lossy", [True, False])
def test_a_closed_mailbox_takes_nothing(lossy: bool) -> None:
    mailbox = Mailbox[int](2, lossy=lossy)
    mailbox.close()
    with pytest.raises(Closed):
        mailbox.put(1)
    assert len(mailbox) == 0


def test_closing_wakes_whoever_waits_to_put_or_to_get() -> None:
    full, empty = Mailbox[int](1, lossy=False), Mailbox[int](1, lossy=False)
    full.put(1)
    closed: list[str] = []

    def note(name: str, wait: object) -> None:
        try:
            wait()
        except Closed:
            closed.append(name)

    threads = [
        threading.Thread(target=note, args=("put", lambda: full.put(2))),
        threading.Thread(target=note, args=("get", empty.get)),
    ]
    for thread in threads:
        thread.start()
    full.close()
    empty.close()
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(closed) == ["get", "put"]


def test_a_mailbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Mailbox[int](0, lossy=True)


@given(capacity=st.integers(1, 4), lossy=st.booleans(), puts=st.lists(st.booleans(), max_size=40))
def test_counts_add_up_after_each_step(capacity: int, lossy: bool, puts: list[bool]) -> None:
    mailbox = Mailbox[int](capacity, lossy=lossy)
    put = taken = 0
    for is_put in puts:
        if is_put:
            put += mailbox.put(put, timeout=0)
        else:
            taken += mailbox.get(timeout=0) is not None
        assert put == taken + mailbox.dropped + len(mailbox)
        assert len(mailbox) <= capacity


@pytest.mark.parametrize("lossy", [True, False])
def test_counts_add_up_between_threads_and_each_item_is_taken_at_most_once(lossy: bool) -> None:
    mailbox = Mailbox[int](3, lossy=lossy)
    taken: list[int] = []

    def produce(items: Iterable[int]) -> None:
        for item in items:
            assert mailbox.put(item, DEADLINE)

    def consume() -> None:
        with suppress(Closed):
            while (item := mailbox.get(DEADLINE)) is not None:
                taken.append(item)

    producers = [threading.Thread(target=produce, args=(range(n, n + 2000),)) for n in (0, 2000, 4000)]
    consumers = [threading.Thread(target=consume) for _ in range(2)]
    for thread in producers + consumers:
        thread.start()
    for thread in producers:
        thread.join(DEADLINE)
    mailbox.close()
    for thread in consumers:
        thread.join(DEADLINE)
    assert len(taken) == len(set(taken))
    assert len(taken) + mailbox.dropped == 6000
    assert len(mailbox) == 0
    if not lossy:
        assert mailbox.dropped == 0
