"""Signals that lead a process."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TWICE_S = 0.5  # timeout(1) signals the process and its group: that is one wish, not two


@contextmanager
def led_by_signals(stop: Callable[[], None], reload: Callable[[], None] | None = None) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop`, one that comes later ends the process at once; SIGHUP calls `reload`."""
    asked_at: float | None = None

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal asked_at
        if asked_at is None:
            asked_at = time.monotonic()
            stop()
        elif time.monotonic() - asked_at > TWICE_S:
            os._exit(128 + number)  # Source: as shells count a death by a signal

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    if reload is not None:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda _number, _frame: reload())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
