"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable

DEADLINE = 20.0  # seconds; a busy machine needs this, an idle one hundredths of it


def until(condition: Callable[[], object], seconds: float = DEADLINE, what: str = "the condition") -> None:
    """Wait until something is true; the test fails if it does not become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
        time.sleep(0.002)
