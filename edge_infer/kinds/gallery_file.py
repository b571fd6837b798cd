"""A gallery on disk: an .npz file with the arrays `schema`, `vectors`, `labels`, `sources` and `models`."""

import io
import os
import tempfile
from pathlib import Path

import numpy as np

from edge_infer.decode.gallery import Gallery
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.arrays_file import BROKEN, unpacked_bytes
from edge_infer.types import Array

SCHEMA = "edge-infer/gallery@1"
MAX_BYTES = 256 * 2**20  # 50 000 pictures with vectors of 1280 numbers, half the memory of the smallest board


def read_gallery(path: Path) -> Gallery:
    """The gallery in a file.

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        ModelError: it is no gallery, damaged, or too large.
    """
    try:
        if unpacked_bytes(path) > MAX_BYTES:
            raise ModelError(f"the gallery {path} holds more than {MAX_BYTES} bytes: split it")
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["schema"]) != SCHEMA:
                raise ModelError(f"{path} is a {stored['schema']}, expected {SCHEMA}: make the gallery again")
            labels, sources, models = (tuple(map(str, stored[name])) for name in ("labels", "sources", "models"))
            return Gallery(_sound(stored["vectors"]), labels, sources, models)
    except OSError as error:
        raise UnavailableError(
            f"cannot read the gallery {path} ({error.strerror}): `edge-infer gallery add` makes one"
        ) from error
    except BROKEN as error:
        raise ModelError(
            f"{path} is no gallery, or damaged ({error}): make it again, `edge-infer gallery add`"
        ) from error


def write_gallery(path: Path, gallery: Gallery) -> None:
    """Write the file anew: all of it, or nothing.

    Raises:
        UnavailableError: the disk does not take it.
    """
    packed = io.BytesIO()
    np.savez(
        packed,
        schema=np.array(SCHEMA),
        vectors=gallery.vectors.astype(np.float32),
        labels=np.array(gallery.labels, dtype=np.str_),
        sources=np.array(gallery.sources, dtype=np.str_),
        models=np.array(gallery.models, dtype=np.str_),
    )
    replace_file(path, packed.getvalue())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place, and move it there when all of it is on the disk.

    Raises:
        UnavailableError: the disk does not take it.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)  # services read it, whoever makes it
                os.fsync(file.fileno())
            Path(staged).replace(target)
        finally:
            Path(staged).unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(f"cannot write {path} ({error.strerror}): check the disk and the permissions") from error


def _sound(vectors: Array) -> Array:
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not np.isfinite(vectors).all():
        raise ValueError(f"vectors are {vectors.dtype} of shape {vectors.shape}")
    return vectors
