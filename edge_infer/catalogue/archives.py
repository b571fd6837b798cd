"""One file out of a .zip or .tar.gz, and nothing else: the names in it do not decide where that is written."""

import os
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from edge_infer.errors import ModelError, UnavailableError

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RuntimeError, KeyError)


def unpack(archive: Path, member: str, target: Path, limit: int) -> None:
    """Write `member` of an archive to `target`, of at most `limit` bytes.

    Raises:
        ModelError: there is no such file in it, it is too large, or the archive is damaged.
        UnavailableError: the disk takes nothing.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped, zipped.open(member) as found:
                _copy(found, target, limit)
        else:
            with tarfile.open(archive, "r:*") as tarred:
                _copy(_in_tar(tarred, member), target, limit)
    except _BROKEN as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:  # gzip.BadGzipFile is an OSError without a number
            raise UnavailableError(f"cannot unpack {archive}: {error.strerror}") from error
        raise ModelError(f"{archive.name} does not give '{member}' ({error}): pull the model again") from error


def _in_tar(files: tarfile.TarFile, member: str) -> IO[bytes]:
    found = files.getmember(member)
    stream = files.extractfile(found) if found.isreg() else None  # a link could lead anywhere
    if stream is None:
        raise KeyError(f"{member} is no file")
    return stream


def _copy(source: IO[bytes], target: Path, limit: int) -> None:
    with target.open("wb") as file:
        while chunk := source.read(1 << 16):
            if file.tell() + len(chunk) > limit:
                raise ValueError(f"it unpacks to more than {limit} bytes")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
