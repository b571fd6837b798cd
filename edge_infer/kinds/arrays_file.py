"""Files of arrays (.npz) that somebody else may have made: what reading them raises, and how large they are."""

import zipfile
import zlib
from pathlib import Path

BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, TypeError, RuntimeError, NotImplementedError)


def unpacked_bytes(path: Path) -> int:
    """How many bytes its arrays take, by its own account; zipfile reads no more of them than that.

    Raises:
        OSError: it cannot be read.
        zipfile.BadZipFile: it is none; one of BROKEN, as all else.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return sum(info.file_size for info in archive.infolist())
