"""Pictures from files: one, a folder, a pattern, or a list of these."""

import logging
import re
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

import cv2
import numpy as np

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.address import IMAGE_SUFFIXES
from edge_infer.sources.quiet import quieten_opencv
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Array, Frame

log = logging.getLogger(__name__)


class ImageSource(BaseSource):
    """Each picture once, in natural order (2.jpg before 10.jpg). What cannot be read is logged and counted.

    Args:
        what: a file, a folder (its pictures), a pattern (`*.jpg`), or a list of these, whose order is kept
        recursive: look into the folders of a folder, too
    """

    def __init__(self, what: str | Path | Sequence[str | Path], *, name: str = "", recursive: bool = False) -> None:
        super().__init__(name or (str(what) if isinstance(what, str | Path) else "images"), live=False)
        self._paths = find_images(what, recursive=recursive)
        self._numbered: Iterator[tuple[int, Path]] = enumerate(self._paths)
        self._failure: InputError | None = None  # the first; None once a picture could be read

    def read(self) -> Frame:
        """The next picture that can be read; one that cannot leaves a gap in the numbers.

        Raises:
            InputError: at the end, if none could be read.
            EndOfStream: that was the last.
        """
        for number, path in self._numbered:
            captured_at, captured_ns = clocks()
            try:
                data = read_image(path)
            except (InputError, UnavailableError) as error:
                self._leave_out(error)
            else:
                self._failure = None
                return Frame(self.name, number, data, captured_at, captured_ns, str(path))
        if self._failure and self.skipped["corrupt"] == len(self._paths):
            raise self._failure
        raise EndOfStream

    def close(self) -> None:
        """Give no more pictures."""
        self._numbered = iter(())
        self._failure = None

    def _leave_out(self, error: InputError | UnavailableError) -> None:
        self.skipped["corrupt"] += 1
        if len(self._paths) == 1:
            self._failure = InputError(str(error))
            return
        self._failure = InputError(f"none of {len(self._paths)} pictures can be read; the last: {error}")
        log.warning("%s, left out", error)


def read_image(path: str | Path) -> Array:
    """The picture in a file as `(height, width, 3) uint8` BGR, turned upright as its EXIF data says.

    Grey becomes three equal channels, transparency is left out, 16 bits become 8.

    Raises:
        UnavailableError: there is no such file, or it may not be read.
        InputError: it is not a picture, or damaged.
    """
    quieten_opencv()
    try:
        content = Path(path).read_bytes()
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder: give a picture in it") from error
    except OSError as error:
        raise UnavailableError(f"cannot read {path} ({error.strerror}): check the path and its permissions") from error
    try:
        data = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error as error:  # larger than OpenCV dares to decode
        raise InputError(f"{path} cannot be decoded: {error.err}: make it smaller") from error
    if data is None:
        raise InputError(f"{path} is not a picture that can be decoded: it is damaged, empty or of another kind")
    return data


def find_images(
    what: str | Path | Sequence[str | Path], *, recursive: bool = False, suffixes: frozenset[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """The files that `what` stands for, at least one; of a folder those with one of the suffixes.

    Raises:
        UnavailableError: one of the addresses stands for nothing.
    """
    if not isinstance(what, str | Path):
        found = [path for one in what for path in find_images(one, recursive=recursive, suffixes=suffixes)]
    elif Path(what).is_dir():
        entries = Path(what).rglob("*") if recursive else Path(what).iterdir()
        found = [path for path in entries if path.suffix.lower() in suffixes and path.is_file()]
        found.sort(key=_natural)
    elif Path(what).is_file():
        found = [Path(what)]
    else:
        matches = [Path(match) for match in glob(str(what), recursive=True)]  # noqa: PTH207 - absolute ones, too
        found = sorted((path for path in matches if path.is_file()), key=_natural)
    if not found:
        raise UnavailableError(f"there is no picture at {_shown(what)}: check the path or the pattern")
    return found


def _natural(path: Path) -> list[str | int]:
    """Sorts numbers inside names by value; text and numbers alternate, so that like is compared with like."""
    pieces = re.split(r"(\d+)", str(path).casefold())
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)]


def _shown(what: str | Path | Sequence[str | Path]) -> str:
    return str(what) if isinstance(what, str | Path) else "an empty list"
