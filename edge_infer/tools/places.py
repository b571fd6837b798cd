"""Where a daemon writes: is there room, and may we?"""

import os
import tempfile
from pathlib import Path

from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.errors import UnavailableError
from edge_infer.settings import Settings

FEW_INODES = 16  # the outbox is a handful of files
PAGE = 4096


def state_dir(settings: Settings) -> Path:
    """Where the daemon of these settings keeps what must survive a restart."""
    return settings.device.state_dir or default_state_dir()


def room_for_results(folder: Path, min_free_bytes: int) -> str:
    """That a state folder can be written, and how much is free.

    Raises:
        UnavailableError: results could not wait on that disk.
    """
    existing = _writable(folder / "outbox", "results could wait in RAM only")
    disk = os.statvfs(existing)
    free = disk.f_bavail * disk.f_frsize
    if free < min_free_bytes:
        raise UnavailableError(f"the disk of {existing} has {free / 1e6:.0f} MB left, less than outbox.min_free_bytes")
    if disk.f_files and disk.f_favail < FEW_INODES:
        raise UnavailableError(f"the disk of {existing} has room for {disk.f_favail} more files only (inodes)")
    _write(existing)
    return f"{folder} can be written, {free / 1e9:.1f} GB are free"


def place_of_file(path: Path) -> str:
    """That a file for results can be written.

    Raises:
        UnavailableError: it cannot.
    """
    _write(_writable(path, "no results would get there"))
    return f"{path} can be written"


def _writable(path: Path, otherwise: str) -> Path:
    """The folder of a file, or the nearest above that is there."""
    existing = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    # os.path, since Path.is_dir raises where a folder above is closed to us
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK, effective_ids=True):  # noqa: PTH112
        raise UnavailableError(f"{path} cannot be written, {otherwise}: {existing} is not ours to write to")
    return existing


def _write(folder: Path) -> None:
    """Write a little: a disk that has failed looks as before until then. What is written has no name, and is gone."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(PAGE))
            os.fsync(file.fileno())
    except OSError as error:
        raise UnavailableError(f"the disk of {folder} takes nothing: {error.strerror}") from error
