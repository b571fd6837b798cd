"""This process and its clock, as the kernel sees them."""

import ctypes
import os
import threading
import time
from contextlib import suppress
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


def thread_cpu_s() -> dict[str, float]:
    """CPU seconds of each thread by its name, to a microsecond or so; none where the kernel does not count them.

    Source: kernel, scheduler/sched-stats, /proc/<pid>/task/<tid>/schedstat: its first number, ns.
    """
    found: dict[str, float] = {}
    for thread in threading.enumerate():
        with suppress(OSError):  # it has ended
            ran_ns = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]
            found[thread.name] = found.get(thread.name, 0.0) + int(ran_ns) / 1e9
    return found


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def board(root: Path = Path("/")) -> str:
    """What the board calls itself; OSError where it is none. Source: the device tree's specification, 2.3.2, model."""
    return (root / "proc/device-tree/model").read_text("utf-8", "replace").strip("\0 \n")


def age_s() -> float:
    """Seconds since the kernel started this process, to a hundredth. Source: proc(5), starttime."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def clock_state() -> ClockState:
    """Whether the kernel's clock is disciplined (by NTP or the like)."""
    state = _libc().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return "unsynced" if state in (-1, TIME_ERROR) else "synced"
