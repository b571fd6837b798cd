"""The rows on the disk: a line of JSON each. What a kill or a power cut tore is taken off, the rest is kept."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from edge_infer.errors import InputError
from edge_infer.tools.batch.disk import sync_folder, writing

SYNC_S = (
    3.0  # what a power cut may cost; an fsync of 200 kB took 2 ms on a virtual disk (measured), a card takes longer
)
AT_ONCE = 2**20  # bytes


class Key(Struct):
    """What is read of a row to know that it is there."""

    input: str
    status: str
    frame: int | None = None


@dataclass
class Done:
    """What is in an output.

    Attributes:
        whole: inputs with a row of their own: pictures, and videos that could not be read to their end
        frames: how many of each video; they stand in order, so the next one has this number
    """

    rows: int = 0
    errors: int = 0
    whole: set[str] = field(default_factory=set)
    frames: dict[str, int] = field(default_factory=dict)

    def add(self, key: Key) -> None:
        """One more row."""
        self.rows += 1
        self.errors += key.status in ("error", "timeout")
        if key.frame is None:
            self.whole.add(key.input)
        else:
            self.frames[key.input] = key.frame + 1


class Lines:
    """The file, open at its end.

    Attributes:
        done: what it held when it was opened
    """

    def __init__(self, path: Path) -> None:
        """Open it, or make it; take off a torn end.

        Raises:
            InputError: there is something in it that is no row.
            UnavailableError: it cannot be written.
        """
        self.path = path
        with writing(path):
            self._file = path.open("ab+", buffering=0)
            sync_folder(path.parent)
        try:
            self.done, self._size = _read(path, self._file)
            with writing(path):
                os.ftruncate(self._file.fileno(), self._size)
        except BaseException:
            self._file.close()
            raise
        self._synced_at = time.monotonic()
        self._dirty = False

    def write(self, rows: list[bytes]) -> None:
        """Append them; a kill of this process takes none of them away.

        Raises:
            UnavailableError: the disk does not take them; those before are kept, whole.
        """
        data = memoryview(b"".join(row + b"\n" for row in rows))
        self._dirty = self._dirty or bool(rows)
        written = 0
        try:
            with writing(self.path):
                while written < len(data):
                    written += self._file.write(data[written:]) or 0
        except BaseException:
            os.ftruncate(self._file.fileno(), self._size)
            raise
        self._size += written

    def sync(self, *, due: bool = False) -> None:
        """Make them survive a power cut; `due`: only if that was last done long ago."""
        if not self._dirty or (due and time.monotonic() - self._synced_at < SYNC_S):
            return
        with writing(self.path):
            os.fsync(self._file.fileno())
        self._synced_at = time.monotonic()
        self._dirty = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read(path: Path, file: IO[bytes]) -> tuple[Done, int]:
    """What is in it, and how many bytes of it are good."""
    done, good, bad = Done(), 0, 0
    decode = msgspec.json.Decoder(Key).decode
    for number, line in enumerate(_lines(file), 1):
        try:
            key = decode(line) if line.endswith(b"\n") else None
        except msgspec.MsgspecError:
            key = None
        if key is None:
            bad = bad or number
        elif bad:  # a torn end has nothing whole behind it
            raise InputError(
                f"line {bad} of {path} is no row of a batch: give another --out, or begin anew with --restart"
            )
        else:
            done.add(key)
            good += len(line)
    return done, good


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines with their ends, the last perhaps without; from the beginning."""
    file.seek(0)
    rest = b""
    while chunk := file.read(AT_ONCE):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
