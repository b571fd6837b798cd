"""What was tried reaches the main loop, or is thrown away."""

import threading
from collections.abc import Callable

import pytest
from waiting import DEADLINE, until

from edge_infer.errands import Errands
from edge_infer.errors import UnavailableError
from edge_infer.rehearsing import Rehearsing


class Tried:
    """What became of an act that waits until it may end."""

    def __init__(self) -> None:
        self.errands = Errands()
        self.may_end = threading.Event()
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self.discarded: list[str] = []
        self.rehearsing = Rehearsing[str](
            "try",
            self.accepted.append,
            lambda error: self.refused.append(str(error)),
            self.errands,
            self.discarded.append,
        )

    def begin(self, limit_s: float = DEADLINE) -> None:
        self.rehearsing.begin(self._act, limit_s, "too late")

    def _act(self) -> str:
        assert self.may_end.wait(DEADLINE)
        return "new"


@pytest.fixture
def tried() -> Tried:
    return Tried()


def nobody_waits_any_more(tried: Tried) -> None:
    tried.begin(0.01)
    until(lambda: (tried.rehearsing.turn(), not tried.rehearsing.busy)[1])
    tried.may_end.set()


def the_daemon_has_ended(tried: Tried) -> None:
    tried.begin()
    tried.errands.close()
    tried.may_end.set()


def the_daemon_ends_before_it_has_looked(tried: Tried) -> None:
    tried.begin()
    tried.may_end.set()
    until(lambda: tried.errands._waiting.qsize())
    tried.errands.close()


@pytest.mark.parametrize("happens", [nobody_waits_any_more, the_daemon_has_ended, the_daemon_ends_before_it_has_looked])
def test_what_nobody_takes_is_thrown_away(tried: Tried, happens: Callable[[Tried], None]) -> None:
    happens(tried)
    until(lambda: tried.discarded == ["new"])
    assert tried.accepted == []


def test_what_hangs_is_refused_once(tried: Tried) -> None:
    nobody_waits_any_more(tried)
    until(lambda: tried.discarded)
    assert tried.refused == ["too late"]


def test_what_is_taken_is_kept(tried: Tried) -> None:
    tried.begin()
    tried.may_end.set()
    until(lambda: (tried.errands.do_next(0.01), tried.accepted)[1])
    assert (tried.accepted, tried.refused, tried.discarded) == (["new"], [], [])
    assert not tried.rehearsing.busy


def test_of_a_main_loop_that_takes_no_more_it_is_refused(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.errands.MAX_WAITING", 0)
    tried.begin()
    tried.may_end.set()
    until(lambda: (tried.rehearsing.turn(), tried.refused)[1])
    assert "too many" in tried.refused[0]
    assert tried.discarded == ["new"]
    with pytest.raises(UnavailableError):
        tried.errands.ask(lambda _: None, {})
