"""Pictures from files: one, a folder, a pattern, or a list of these."""

import logging
import re
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import cv2
import numpy as np

from edge_infer.errors import InputError, UnavailableError
from edge_infer.pictures import check_size
from edge_infer.sources.address import IMAGE_SUFFIXES
from edge_infer.sources.picture_header import size_of, undecodable
from edge_infer.sources.quiet import quieten_opencv
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Array, Frame

log = logging.getLogger(__name__)

MAX_BYTES = 1 << 30  # of a file: more than a picture has that may be decoded


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

    Grey becomes three equal channels, transparency is left out, 16 bits become the upper 8, of an animation it is the
    first frame (docs/pictures.md).

    Raises:
        UnavailableError: there is no such file, or it may not be read.
        InputError: it is not a picture, damaged, or so large that it would take too much memory.
    """
    quieten_opencv()
    content = _content(Path(path))
    if size := size_of(content):
        check_size(size, path)
    try:
        data = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error as error:  # larger than OpenCV dares to decode
        raise InputError(f"{path} cannot be decoded: {error.err}: make it smaller") from error
    if data is not None:
        return data
    if kind := undecodable(content):
        raise InputError(f"{path} is a {kind} file, which this OpenCV cannot decode: convert it to JPEG or PNG")
    kind = "it is empty" if not content else "it is damaged, cut off, or of another kind"
    raise InputError(f"{path} is not a picture that can be decoded: {kind}")


def _content(path: Path) -> bytes:
    """All bytes of a file; a pipe or a device, which may never end, is none."""
    try:
        status = path.stat()
        if S_ISDIR(status.st_mode):
            raise InputError(f"{path} is a folder: give a picture in it")
        if not S_ISREG(status.st_mode):
            raise InputError(f"{path} is no file but a pipe or a device: give the file of a picture")
        if status.st_size > MAX_BYTES:
            raise InputError(f"{path} is no picture: it has {status.st_size / 1e6:.0f} MB")
        return path.read_bytes()
    except OSError as error:
        raise UnavailableError(f"cannot read {path} ({error.strerror}): check the path and its permissions") from error


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
        why = "that is a pipe or a device, give a file" if _is_special(what) else "check the path or the pattern"
        raise UnavailableError(f"there is no picture at {_shown(what)}: {why}")
    return found


def _natural(path: Path) -> list[str | int]:
    """Sorts numbers inside names by value; text and numbers alternate, so that like is compared with like."""
    pieces = re.split(r"(\d+)", str(path).casefold())
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)]


def _is_special(what: str | Path | Sequence[str | Path]) -> bool:
    return isinstance(what, str | Path) and Path(what).exists() and not Path(what).is_dir()


def _shown(what: str | Path | Sequence[str | Path]) -> str:
    return str(what) if isinstance(what, str | Path) else "an empty list"
