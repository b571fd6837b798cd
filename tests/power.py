"""A power cut: what was not synced to the disk is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos_run.loop_disk import LoopDisk, LoopDiskError


@contextmanager
def disk(folder: Path, megabytes: int = 64) -> Iterator[LoopDisk]:
    """A disk whose power can be cut, at `<folder>/disk`; skips the test where none can be made."""
    made = LoopDisk(folder, megabytes)
    try:
        made.__enter__()
    except LoopDiskError as error:
        pytest.skip(f"needs a loop-mounted disk, so root: {error}")
    try:
        yield made
    finally:
        made.__exit__(None, None, None)
