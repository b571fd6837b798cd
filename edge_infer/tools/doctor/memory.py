"""Memory, and what a process may have of it, of files and of threads."""

import os
from collections.abc import Iterator
from pathlib import Path

from edge_infer.tools.doctor.cpu import cgroup
from edge_infer.tools.doctor.finding import Finding, fail, ok, warn
from edge_infer.tools.doctor.reading import number, pairs, text

NEEDED_BYTES = 150_000_000  # measured: 80 MB for a daemon with one model of 300x300, and half as much beside it
SHARED_BYTES = 16_000_000  # the frames of an accelerator's process lie in shared memory
FILES = 256  # measured: 30 for a daemon with one pipeline, and each further one takes about ten
TASKS = 64  # measured: 20 for a daemon with one pipeline on four cores; far too few look like a clean exit


def check_memory(root: Path = Path("/")) -> Iterator[Finding]:
    """RAM that is left, by the machine and by our control group."""
    total, available, swap = (_bytes(root, name) for name in ("MemTotal", "MemAvailable", "SwapTotal"))
    limits = [limit for folder in cgroup(root, "memory") for limit in _limits(folder) if limit < total]
    described = f"{available / 1e6:.0f} of {total / 1e6:.0f} MB are free"
    described += f", {swap / 1e6:.0f} MB swap" if swap else ", no swap"
    described += f", limited to {min(limits) / 1e6:.0f} MB" if limits else ""
    if total and min([available, *limits]) < NEEDED_BYTES:
        yield warn(
            "memory",
            f"{described}: a daemon with a model takes about {NEEDED_BYTES / 1e6:.0f} MB",
            "end other programs or the desktop, take a smaller model, or add compressed swap (zram)",
            "sudo apt install zram-tools",
        )
    else:
        yield ok("memory", described)


def check_shared_memory() -> Iterator[Finding]:
    """Room that is there when it is promised: without it a process is killed by SIGBUS, which cannot be caught."""
    try:
        handle = os.memfd_create("edge-infer-doctor")
        try:
            os.posix_fallocate(handle, 0, SHARED_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        yield fail(
            "shared memory",
            f"{SHARED_BYTES / 1e6:.0f} MB cannot be had: {error.strerror}",
            "allow memfd_create in the sandbox or container, and give it more memory",
        )
        return
    yield ok("shared memory", f"{SHARED_BYTES / 1e6:.0f} MB can be had")


def check_limits(root: Path = Path("/")) -> Iterator[Finding]:
    """Files and threads that we may have."""
    named = {line[:25].strip(): line[25:].split() for line in text(root / "proc/self/limits").splitlines()}
    soft = {name: int(words[0]) for name, words in named.items() if words and words[0].isdecimal()}
    files = soft.get("Max open files")
    tasks = [found for folder in cgroup(root, "pids") if (found := number(folder / "pids.max")) is not None]
    tasks += [soft["Max processes"]] if "Max processes" in soft else []
    described = f"{files or 'any number of'} open files, {min(tasks, default=0) or 'any number of'} tasks"
    if files is not None and files < FILES:
        yield warn("limits", f"{described}: fewer files than {FILES} may not do", f"set LimitNOFILE={FILES} or more")
    elif tasks and min(tasks) < TASKS:
        yield warn("limits", f"{described}: fewer tasks than {TASKS} may not do", f"set TasksMax={TASKS} or more")
    else:
        yield ok("limits", described)


def _bytes(root: Path, name: str) -> int:
    """An entry of /proc/meminfo."""
    words = pairs(root / "proc/meminfo").get(name, "").split()
    return int(words[0]) * 1024 if words and words[0].isdecimal() else 0


def _limits(folder: Path) -> list[int]:
    found = (number(folder / name) for name in ("memory.max", "memory.limit_in_bytes"))
    return [limit for limit in found if limit is not None]
