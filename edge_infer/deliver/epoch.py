"""The epoch: a number that grows at each start, so that sequence numbers never repeat."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


def next_epoch(state_dir: Path, *, above: int = 0, open_from: int | None = None) -> tuple[int, int]:
    """(new, oldest open) epoch: more than at the last start and than `above`, on the disk before this returns.

    `open_from` is the oldest epoch that something is left of, where that is known; else what was written down the last
    time counts. Where the folder cannot be written, the new one is seconds since 1970: they grow too unless the clock
    is set back.
    """
    path = state_dir / "epoch"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        last, oldest = _read(path)
        epoch = max(last, above) + 1
        oldest = min(epoch, oldest if open_from is None else open_from)
        with replaced(path) as written:
            written.write_text(f"{epoch} {oldest}\n")
    except OSError as error:
        log.warning("cannot keep the epoch, using the clock", extra={"path": str(path), "error": str(error)})
        epoch = max(int(time.time()), above + 1)
        return epoch, epoch
    return epoch, oldest


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """What is written into the yielded file takes the place of `path`, safe from a power cut."""
    written = path.with_suffix(".new")
    yield written
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def _read(path: Path) -> tuple[int, int]:
    try:
        words = path.read_text().split()
        return int(words[0]), int(words[-1])
    except FileNotFoundError:
        return 0, 1
    except (ValueError, IndexError):  # torn by a power cut on a file system that allows it: go on above the clock
        log.warning("the epoch file is damaged, starting from the clock", extra={"path": str(path)})
        return int(time.time()), int(time.time())
