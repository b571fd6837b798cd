"""Writing to a disk that may be full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_infer.errors import UnavailableError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever the disk does not take there is one error, which says how to go on.

    Raises:
        UnavailableError: it is full, read-only, or not there.
    """
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path} ({error.strerror}): what was written before is kept; make room, "
            f"and give the same command again"
        ) from error


def sync_folder(path: Path) -> None:
    """Make names durable that were made or replaced in a folder."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
