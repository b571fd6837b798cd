import threading
import time

import pytest
from waiting import DEADLINE, until

from edge_infer.flow.heartbeat import Heartbeat


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


def test_what_lasted_before_the_whole_process_stood_still_does_not_count() -> None:
    heartbeat = Heartbeat()
    with heartbeat.working("read", 0.01):
        until(lambda: heartbeat.overdue())
        assert heartbeat.overdue(time.monotonic_ns() + 10**12) is None


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
