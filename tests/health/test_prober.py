import logging
import threading
from collections.abc import Iterator
from itertools import count

import pytest
from waiting import until

from edge_infer.health import prober
from edge_infer.health.prober import Prober


def test_what_was_said_last_is_the_value() -> None:
    numbers = count(1)
    probe = Prober("test", lambda: next(numbers), 0.01)
    assert probe.value is None
    probe.start()
    until(lambda: (probe.value or 0) >= 3, what="the third answer")
    probe.stop()


def test_a_probe_that_hangs_has_no_value_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "LATE_S", 0.2)
    going_on = threading.Event()

    def answers() -> Iterator[int]:
        yield 1
        going_on.wait(20.0)
        while True:
            yield 2

    probe = Prober("test", answers().__next__, 0.1)
    probe.start()
    until(lambda: probe.value == 1, what="the first answer")
    until(lambda: probe.value is None, what="the hang to be noticed")
    probe.stop()  # returns, although it hangs
    going_on.set()
    until(lambda: "probe:test" not in [thread.name for thread in threading.enumerate()], what="the end of the thread")


def test_a_probe_that_fails_is_asked_again_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    numbers = count(1)

    def sometimes() -> int:
        if (number := next(numbers)) < 5:
            raise OSError("no such sensor")
        return number

    probe = Prober("test", sometimes, 0.01)
    with caplog.at_level(logging.WARNING):
        probe.start()
        until(lambda: (probe.value or 0) >= 5, what="an answer")
        probe.stop()
    assert caplog.messages == ["probe:test failed: no such sensor"]
