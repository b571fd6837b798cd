"""The files that travel with a model: a zip archive behind the flatbuffer."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping

from edge_infer.errors import ModelError

# Bounds for a hostile file. Source: of the models that we test, each carries one file, of 22 kB at most.
MAX_BYTES = 32 * 2**20
MAX_FILES = 256

_ENTRY = b"PK\x01\x02"  # begins each file's entry in the directory. Source: APPNOTE.TXT 4.3.12
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the other methods without a limit
# OverflowError: a place beyond 2 GB, where Python has 32 bits
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, OverflowError)


class AssociatedFiles(Mapping[str, bytes]):
    """Files by name, read when they are asked for; none where the archive is missing or broken."""

    def __init__(self, archive: memoryview, model: str) -> None:
        self._model = model
        self._archive = _opened(archive, model)
        self._names = {} if self._archive is None else {info.filename: info for info in self._archive.infolist()}
        total = sum(info.file_size for info in self._names.values())
        if total > MAX_BYTES:
            raise ModelError(f"{model} carries {total} bytes of files, at most {MAX_BYTES} are read: export it again")

    def __getitem__(self, name: str) -> bytes:
        """The file's bytes.

        Raises:
            KeyError: there is no such file.
            ModelError: its part of the archive is broken, or packed in an unusual way.
        """
        info = self._names[name]
        assert self._archive is not None  # noqa: S101 - there are no names without an archive
        if info.compress_type not in _BOUNDED:
            raise ModelError(f"{self._model} has '{name}' packed with method {info.compress_type}: export it again")
        try:
            with self._archive.open(info) as file:
                return file.read(info.file_size + 1)  # bounded; reads to the end, where the checksum is compared
        except _BROKEN as error:
            raise ModelError(
                f"{self._model} is damaged: cannot read '{name}' in it ({error}): copy or export the model again"
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _opened(archive: memoryview, model: str) -> zipfile.ZipFile | None:
    if len(archive) > MAX_BYTES:
        raise ModelError(
            f"{model} carries {len(archive)} bytes of files, at most {MAX_BYTES} are read: export it again"
        )
    content = bytes(archive)
    if content.count(_ENTRY) > MAX_FILES:  # counted before zipfile makes an object of each
        raise ModelError(f"{model} carries more than {MAX_FILES} files: export it again with fewer")
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN:
        return None
