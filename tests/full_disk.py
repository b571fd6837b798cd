"""A disk that is full, and one that the kernel made read-only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos_run.loop_disk import LoopDisk, LoopDiskError, run_tool


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
    path = folder / "small"
    path.mkdir()
    try:
        run_tool("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", path)
    except LoopDiskError as error:
        path.rmdir()
        pytest.skip(f"needs to mount a tmpfs, so root: {error}")
    try:
        yield SmallDisk(path)
    finally:
        run_tool("umount", "--lazy", path)
        path.rmdir()


@contextmanager
def read_only(disk: LoopDisk) -> Iterator[None]:
    """Nothing can be written there, not even to open files; to be unmounted and mounted again afterwards."""
    disk.turn_read_only()
    yield
    disk.remount()
