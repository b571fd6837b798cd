"""Reading the configuration again, whatever happens in it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from waiting import DEADLINE, until

from edge_infer import reloading as module
from edge_infer.errands import Errands
from edge_infer.errors import UnavailableError
from edge_infer.reloading import Reloading

NOTHING: dict[str, list[str]] = {"started": [], "restarted": []}


class Loop:
    """A main loop that turns when the test says so."""

    def __init__(self, rehearse: Callable[[], str], take_over: Callable[[str], dict[str, list[str]]]) -> None:
        self.errands = Errands()
        self.reloading = Reloading(rehearse, take_over, self.errands)

    def until_done(self, future: "Future[object]") -> None:
        def turn() -> bool:
            self.errands.do_next(0.01)
            self.reloading.turn()
            return future.done()

        until(turn)


def test_what_was_read_is_put_in_force_by_the_main_loop() -> None:
    threads: list[threading.Thread] = []

    def take_over(new: str) -> dict[str, list[str]]:
        threads.append(threading.current_thread())
        return {"started": [new]}

    loop = Loop(lambda: threads.append(threading.current_thread()) or "door", take_over)  # type: ignore[func-returns-value]
    asked = loop.reloading.ask()
    assert loop.reloading.busy
    loop.until_done(asked)
    assert asked.result() == {"started": ["door"]}
    assert threads[0] is not threads[1] is threading.current_thread()
    assert not loop.reloading.busy
    assert loop.reloading.refused is None


def refuse(error: Exception) -> Callable[..., str]:
    def rehearse() -> str:
        raise error

    return rehearse


@pytest.mark.parametrize("error", [UnavailableError("no such model\nnor this"), KeyError("a bug")])
def test_a_refusal_is_told_until_a_good_file_is_read(error: Exception) -> None:
    steps = iter([refuse(error), lambda: "good"])
    loop = Loop(lambda: next(steps)(), lambda _new: NOTHING)
    asked = loop.reloading.ask()
    loop.until_done(asked)
    assert asked.exception() is error
    assert loop.reloading.refused is not None
    assert "\n" not in loop.reloading.refused
    asked = loop.reloading.ask()
    loop.until_done(asked)
    assert (asked.result(), loop.reloading.refused) == (NOTHING, None)


def test_who_asks_while_it_is_read_gets_what_is_there_then() -> None:
    reads, goes_on = threading.Event(), threading.Event()
    versions = iter(["old", "new"])

    def rehearse() -> str:
        found = next(versions)
        reads.set()
        assert goes_on.wait(DEADLINE)
        return found

    loop = Loop(rehearse, lambda new: {"started": [new]})
    first = loop.reloading.ask()
    assert reads.wait(DEADLINE)
    second, third = loop.reloading.ask(), loop.reloading.ask()
    goes_on.set()
    loop.until_done(third)
    assert [future.result() for future in (first, second, third)] == [
        {"started": ["old"]},
        {"started": ["new"]},
        {"started": ["new"]},
    ]


def test_a_file_that_hangs_is_given_up_and_what_comes_of_it_later_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REHEARSE_S", 0.1)
    goes_on, came_back = threading.Event(), threading.Event()
    taken: list[str] = []

    def hang() -> str:
        assert goes_on.wait(DEADLINE)
        came_back.set()
        return "late"

    steps = iter([hang, lambda: "good"])
    loop = Loop(lambda: next(steps)(), lambda new: taken.append(new) or NOTHING)  # type: ignore[func-returns-value]
    asked = loop.reloading.ask()
    loop.until_done(asked)
    assert "could not be read" in str(asked.exception())
    loop.until_done(loop.reloading.ask())
    goes_on.set()
    assert came_back.wait(DEADLINE)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "reload"])
    loop.errands.do_next(0.01)
    assert taken == ["good"]


def test_who_waits_at_the_end_is_told() -> None:
    goes_on = threading.Event()
    loop = Loop(lambda: str(goes_on.wait(DEADLINE)), lambda _new: NOTHING)
    waiting = [loop.reloading.ask(), loop.reloading.ask()]
    loop.errands.close()
    loop.reloading.close()
    goes_on.set()
    assert {str(future.exception()) for future in waiting} == {"the device is ending"}
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "reload"])
