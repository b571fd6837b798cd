import signal
import threading
from collections.abc import Mapping
from concurrent.futures import Future

import pytest
from waiting import DEADLINE, until

from edge_infer.errands import MAX_WAITING, Errands
from edge_infer.errors import UnavailableError


def double(arguments: Mapping[str, object]) -> object:
    return {name: 2 * int(str(value)) for name, value in arguments.items()}


def test_an_errand_is_done_by_the_thread_that_does_errands() -> None:
    errands, threads = Errands(), []
    asked = errands.ask(lambda _: threads.append(threading.current_thread()), {})
    other = threading.Thread(target=errands.do_next, args=(DEADLINE,))
    other.start()
    other.join(DEADLINE)
    assert asked.result(DEADLINE) is None
    assert threads == [other]


def test_errands_are_done_in_their_order_and_each_has_its_own_outcome() -> None:
    errands = Errands()
    asked = [errands.ask(double, {"x": number}) for number in range(3)]
    for _ in asked:
        errands.do_next(0.0)
    assert [one.result(0) for one in asked] == [{"x": 0}, {"x": 2}, {"x": 4}]


def test_an_error_is_the_outcome_and_the_next_errand_is_done() -> None:
    errands = Errands()
    bad, good = errands.ask(lambda _: 1 / 0, {}), errands.ask(double, {})
    errands.do_next(0.0)
    errands.do_next(0.0)
    assert isinstance(bad.exception(0), ZeroDivisionError)
    assert good.result(0) == {}


@pytest.mark.parametrize("fails", [True, False])
def test_what_comes_later_is_passed_on(fails: bool) -> None:
    errands, later = Errands(), Future[object]()
    asked = errands.ask(lambda _: later, {})
    errands.do_next(0.0)
    assert not asked.done()
    if fails:
        later.set_exception(UnavailableError("no picture"))
        assert str(asked.exception(0)) == "no picture"
    else:
        later.set_result(7)
        assert asked.result(0) == 7


def test_nothing_to_do_takes_no_longer_than_asked_for_and_waking_ends_it() -> None:
    errands = Errands()
    errands.do_next(0.0)
    waiting = threading.Thread(target=errands.do_next, args=(DEADLINE * 3,))
    waiting.start()
    errands.wake()
    waiting.join(DEADLINE)
    assert not waiting.is_alive()


def test_a_signal_handler_may_ask_while_its_thread_waits() -> None:
    errands = Errands()
    done: list[object] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: errands.ask(lambda _: done.append(1), {}))
    main = threading.main_thread().ident
    assert main
    try:
        killer = threading.Thread(target=lambda: [signal.pthread_kill(main, signal.SIGUSR1) for _ in range(50)])
        killer.start()
        until(lambda: (errands.do_next(0.01), done)[1])
        killer.join(DEADLINE)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_too_many_are_refused() -> None:
    errands = Errands()
    for _ in range(MAX_WAITING):
        errands.ask(double, {})
    with pytest.raises(UnavailableError, match="too many commands wait"):
        errands.ask(double, {})
    errands.close()


def test_at_the_end_what_waits_and_what_comes_is_refused() -> None:
    errands = Errands()
    waiting = errands.ask(double, {})
    errands.wake()
    errands.close()
    assert str(waiting.exception(0)) == "the device is ending"
    with pytest.raises(UnavailableError, match="the device is ending"):
        errands.ask(double, {})
