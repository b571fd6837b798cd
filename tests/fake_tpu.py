"""An accelerator that fails when a test says so, and what is left of processes that own one."""

import gc
import os
from pathlib import Path

import psutil

CRASHES = ("abort", "segfault", "exit")  # of its process


class FakeTpu:
    """tests/native/fake_edgetpu.c, led through files: they reach each process that loads it.

    Attributes:
        library: its path
        environment: what it must be told through its environment
    """

    def __init__(self, library: str, folder: Path) -> None:
        self.library = library
        self._fault = folder / "fault"
        self._gone = folder / "gone"
        self.environment = {"FAKE_EDGETPU_FAULT": str(self._fault), "FAKE_EDGETPU_GONE": str(self._gone)}

    def fail(self, how: str) -> None:
        """The next inference (or the next start) fails so."""
        aside = self._fault.with_suffix(".new")
        aside.write_text(how)
        aside.rename(self._fault)

    @property
    def has_failed(self) -> bool:
        """Whether what was ordered has happened."""
        return not self._fault.exists()

    def unplug(self) -> None:
        """It is gone."""
        self._gone.touch()

    def plug_in(self) -> None:
        """It is there."""
        self._gone.unlink()


def owners(of: int | None = None) -> list[str]:
    """Our processes that own or start accelerators, zombies too."""
    found = []
    for child in psutil.Process(of or os.getpid()).children(recursive=True):
        try:
            if child.name().startswith("ei-"):
                found.append(f"{child.name()} {child.pid} {child.status()}")
        except psutil.NoSuchProcess:
            continue
    return found


def files_and_memory(of: int | None = None) -> tuple[int, int]:
    """Open files, and mapped memory of accelerators' tensors, of a process."""
    pid = of or os.getpid()
    gc.collect()  # files of what ran before us would go while we run
    mapped = Path(f"/proc/{pid}/maps").read_text().count("edge-infer tensors")
    return psutil.Process(pid).num_fds(), mapped
