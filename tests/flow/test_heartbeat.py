import threading
import time

import pytest
from waiting import DEADLINE, until

from edge_infer.flow.heartbeat import Heartbeat
from edge_infer.flow.standstills import Standstills


def test_who_waits_for_work_is_not_stuck() -> None:
    heartbeat = Heartbeat()
    with heartbeat.working("read", 1e-9):
        until(lambda: heartbeat.overdue())
    assert heartbeat.act is None
    assert heartbeat.overdue() is None
    assert heartbeat.completed == 1


def test_an_act_that_lasts_too_long_is_named_with_its_limit() -> None:
    heartbeat = Heartbeat()
    with heartbeat.working("open", 3600.0):
        assert heartbeat.overdue() is None
    with heartbeat.working("read", 0.01):
        until(lambda: heartbeat.overdue())
        act = heartbeat.overdue()
        assert act
        assert (act.what, act.limit_s) == ("read", 0.01)


def test_an_act_that_fails_has_ended() -> None:
    heartbeat = Heartbeat()
    with pytest.raises(OSError, match="gone"), heartbeat.working("read", 1e-9):
        raise OSError("gone")
    assert (heartbeat.overdue(), heartbeat.completed) == (None, 1)


def test_what_was_before_a_moment_does_not_count() -> None:
    heartbeat = Heartbeat()
    with heartbeat.working("read", 0.01):
        until(lambda: heartbeat.overdue())
        assert heartbeat.overdue(since_ns=time.monotonic_ns() + 10**12) is None


def test_while_the_process_stood_still_no_act_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic_ns", lambda: int(now_s * 1e9))
    heartbeat, standstills = Heartbeat(), Standstills()
    now_s = 100.5
    with heartbeat.working("read", 2.0):
        now_s = 110.0
        standstills.turn()  # since 100.0
        assert heartbeat.overdue() is not None
        assert heartbeat.overdue(standstills) is None
        now_s = 111.0
        standstills.turn()  # as it should
        assert heartbeat.overdue(standstills) is None
        now_s = 121.0
        standstills.turn()
        now_s = 122.0
        assert heartbeat.act is not None
        assert heartbeat.act.lasts_s(standstills) == pytest.approx(2.0)
        assert heartbeat.overdue(standstills) is None
        now_s = 122.1
        assert heartbeat.overdue(standstills) is heartbeat.act
    with heartbeat.working("read", 2.0):
        now_s = 124.2
        assert heartbeat.overdue(standstills) is heartbeat.act


def test_a_thread_that_hangs_can_be_asked_about() -> None:
    heartbeat, hangs, goes_on = Heartbeat(), threading.Event(), threading.Event()

    def body() -> None:
        with heartbeat.working("read", 0.01):
            hangs.set()
            goes_on.wait(DEADLINE)

    thread = threading.Thread(target=body)
    thread.start()
    assert hangs.wait(DEADLINE)
    until(lambda: heartbeat.overdue())
    goes_on.set()
    thread.join(DEADLINE)
    assert heartbeat.overdue() is None
