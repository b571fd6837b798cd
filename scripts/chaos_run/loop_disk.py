"""A disk of its own for a test or a measurement: ext4 in a file, which can lose its power and counts its writes."""

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

EXT4_IOC_SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125  # Source: linux/fs/ext4/ext4.h, _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2  # Source: ext4.h, EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more reaches the disk, not even the journal
SECTOR = 512  # bytes. Source: Documentation/block/stat.rst
BUSY_S = 10.0


class LoopDiskError(Exception):
    """A disk cannot be made here, for example because we are not root."""


class Written(NamedTuple):
    """What reached a disk."""

    size: int  # bytes
    flushes: int


class LoopDisk:
    """An ext4 file system at `path`, unmounted and deleted at the end of the block.

    Raises:
        LoopDiskError: this machine does not allow it; the message is the program's own.
    """

    def __init__(self, folder: Path, megabytes: int = 64) -> None:
        self.path = folder / "disk"
        self._image = folder / "disk.img"
        self._megabytes = megabytes

    def mount(self) -> None:
        """Mount it; after a power cut, the journal is played back."""
        run_tool("mount", "-o", "loop", self._image, self.path)

    def unmount(self) -> None:
        """Unmount it, as soon as nobody has a file open there."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                run_tool("umount", self.path)
            except LoopDiskError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def remount(self) -> None:
        """As after a start of the machine: what a power cut or an error stopped works again."""
        self.unmount()
        self.mount()

    def replug(self) -> None:
        """Mount it anew although somebody has files open on it, whose writes fail for ever."""
        run_tool("umount", "--lazy", self.path)
        device = run_tool("losetup", "--find", "--show", self._image).strip()  # else the old mount would be shared
        run_tool("mount", device, self.path)
        run_tool("losetup", "--detach", device)  # when it is unmounted

    def freeze(self) -> None:
        """From now on whoever writes waits until `thaw`."""
        run_tool("fsfreeze", "--freeze", self.path)

    def thaw(self) -> None:
        """Whoever waited goes on."""
        run_tool("fsfreeze", "--unfreeze", self.path)

    def cut_power(self) -> None:
        """From now on nothing reaches the disk: what was not synced is gone at the next mount."""
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def turn_read_only(self) -> None:
        """As the kernel does after an I/O error; files that are open for writing fail. Ends with a new mount."""
        with contextlib.suppress(LoopDiskError):  # since Linux 6.5 the file system is shut down, and mount says so
            run_tool("mount", "-o", "remount,abort", self.path)
        with contextlib.suppress(LoopDiskError):
            run_tool("mount", "-o", "remount,ro", self.path)

    def written(self) -> Written:
        """What the block device has written since it was mounted."""
        device = run_tool("findmnt", "-n", "-o", "SOURCE", self.path)
        fields = (Path("/sys/class/block") / Path(device.strip()).name / "stat").read_text().split()
        return Written(int(fields[6]) * SECTOR, int(fields[15]))  # Source: Documentation/block/stat.rst

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(self._megabytes * 1_000_000)
        try:
            run_tool("mkfs.ext4", "-q", "-F", self._image)
            self.mount()
        except LoopDiskError:
            self._image.unlink()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path.is_mount():
            self.unmount()
        self._image.unlink()
        self.path.rmdir()


def run_tool(program: str, *arguments: str | Path) -> str:
    """What one of the system's programs for disks says on stdout.

    Raises:
        LoopDiskError: it fails, or is not there.
    """
    command = [program, *map(str, arguments)]
    environment = os.environ | {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError as error:
        raise LoopDiskError(f"needs {program}: apt install e2fsprogs mount") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().replace("\n", " ")
        raise LoopDiskError(f"{program} fails: {said or done.returncode}")
    return done.stdout
