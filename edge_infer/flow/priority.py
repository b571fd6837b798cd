"""How important a thread is to the kernel."""

import os
import threading
from contextlib import suppress

NICE = 10  # half-way to the least: what only looks on gives way to the model


def give_way() -> None:
    """The calling thread alone gets what the others leave (Linux; elsewhere nothing changes)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
