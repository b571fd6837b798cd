"""A disk that is full, and one that the kernel made read-only."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos_run.loop_disk import LoopDisk


class SmallDisk:
    """A RAM disk of a given size at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Not a byte more fits; or `leave` bytes, down to whole pages."""
        with self._ballast.open("ab", buffering=0) as ballast:
            while (free := self.free_bytes - leave) > 0:
                try:
                    ballast.write(bytes(min(free, 1 << 20)))
                except OSError:
                    return

    def free(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """A disk at `<folder>/small`; skips the test where none can be mounted."""
    if shutil.which("mount") is None:
        pytest.skip("needs mount")
    path = folder / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        path.rmdir()
        pytest.skip(f"needs to mount a tmpfs, so root: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
        path.rmdir()


@contextmanager
def read_only(disk: LoopDisk) -> Iterator[None]:
    """Nothing can be written there, not even to open files; to be unmounted and mounted again afterwards."""
    disk.turn_read_only()
    yield
    disk.remount()
