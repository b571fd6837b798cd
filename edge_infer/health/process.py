"""This process and its clock, as the kernel sees them."""

import ctypes
import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge_infer.wire.payloads import ClockState

TIME_ERROR = 5  # Source: adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # more than struct timex has on any Linux; all zero asks and changes nothing


@dataclass(frozen=True, slots=True)
class Process:
    """Memory (bytes), open files and threads of this process."""

    rss_bytes: int
    open_files: int
    threads: int


def this_process() -> Process:
    """Read from /proc."""
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no Path objects for numbers that are only counted
    return Process(resident_pages * os.sysconf("SC_PAGE_SIZE"), open_files, threading.active_count())


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def clock_state() -> ClockState:
    """Whether the kernel's clock is disciplined (by NTP or the like)."""
    state = _libc().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return "unsynced" if state in (-1, TIME_ERROR) else "synced"
