"""What the machine does meanwhile: whether it is quiet, how much others take, how much memory a contender has."""

import os
import re
import time
from collections import defaultdict
from pathlib import Path

import psutil

QUIET = 0.05  # share of all processors that others may take before a turn
LOOK_S = 0.1


def wait_quiet(patience_s: float) -> bool:
    """Wait until the processors are idle; False where they did not become so."""
    deadline = time.monotonic() + patience_s
    while psutil.cpu_percent(LOOK_S) > QUIET * 100:
        if time.monotonic() > deadline:
            return False
    return True


def busy_s() -> float:
    """Seconds of all processors that anybody has used since the start of the machine."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def used_s(pid: int) -> float:
    """Seconds that a process and those below it have used."""
    total = 0.0
    for process in tree(pid):
        try:
            used = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += used.user + used.system
    return total


def tree(pid: int) -> list[psutil.Process]:
    """A process and those below it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def memory_mb(pid: int) -> float:
    """Resident memory of a process and those below it; what they share is counted once.

    Not PSS: of libraries that other contenders have mapped, too, that would count a part only.
    """
    own, files = 0, defaultdict[str, int](int)
    for process in tree(pid):
        here = defaultdict[str, int](int)
        path = ""
        for line in Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
            if header := re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)", line):
                path = header[1]
            elif path.startswith("/") and "(deleted)" not in path and not path.startswith("/dev/shm"):
                here[path] += _kb(line, "Rss:")
            else:
                own += _kb(line, "Pss:")
        for path, kb in here.items():
            files[path] = max(files[path], kb)
    return (own + sum(files.values())) / 1024


def _kb(line: str, what: str) -> int:
    return int(line.split()[1]) if line.startswith(what) else 0


def described() -> dict[str, object]:
    """The machine."""
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", text) or re.search(r"Model\s*: (.*)", text)
    return {
        "cpu": name[1] if name else os.uname().machine,
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": psutil.virtual_memory().total >> 20,
        "kernel": os.uname().release,
    }
