"""The epoch: a number that grows at each start, so that sequence numbers never repeat."""

import logging
import os
import time
from pathlib import Path

log = logging.getLogger(__name__)


def next_epoch(state_dir: Path) -> int:
    """One more than at the last start, on the disk (fsynced) before it is returned.

    Where the folder cannot be written, seconds since 1970: they grow too unless the clock is set back.
    """
    path = state_dir / "epoch"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        epoch = _read(path) + 1
        written = path.with_suffix(".new")
        with written.open("w") as file:
            file.write(f"{epoch}\n")
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
        folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        log.warning("cannot keep the epoch, using the clock", extra={"path": str(path), "error": str(error)})
        return int(time.time())
    return epoch


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0
    except ValueError:  # torn by a power cut on a file system that allows it: go on above any earlier clock epoch
        log.warning("the epoch file is damaged, starting from the clock", extra={"path": str(path)})
        return int(time.time())
