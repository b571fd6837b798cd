"""What embeddings were like while all was normal, on disk: an .npz file with the fields of `Normal`."""

import io
from pathlib import Path

import numpy as np

from edge_infer.decode.anomaly import Normal
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.arrays_file import BROKEN, unpacked_bytes

SCHEMA = "edge-infer/normal@1"
MAX_BYTES = 64 * 2**20  # 64 directions of 10 000 numbers have 3 MB


def read_normal(path: Path) -> tuple[Normal, tuple[str, ...]]:
    """The statistics of a file, and sha256 of the files of the model whose embeddings they are of.

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        ModelError: it holds something else, or is damaged.
    """
    try:
        if unpacked_bytes(path) > MAX_BYTES:
            raise ValueError(f"it holds more than {MAX_BYTES} bytes")
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["schema"]) != SCHEMA:
                raise ValueError(f"it is a {stored['schema']}, expected {SCHEMA}")
            normal = Normal(stored["mean"], stored["scale"], stored["components"], float(stored["ridge"]))
            _check(normal)
            return normal, tuple(map(str, stored["models"]))
    except OSError as error:
        raise UnavailableError(
            f"cannot read the statistics {path} ({error.strerror}): `edge-infer fit anomaly` makes them"
        ) from error
    except BROKEN as error:
        raise ModelError(
            f"{path} holds no statistics, or is damaged ({error}): make it again, `edge-infer fit anomaly`"
        ) from error


def normal_bytes(normal: Normal, models: tuple[str, ...]) -> bytes:
    """The file."""
    packed = io.BytesIO()
    np.savez(
        packed,
        schema=np.array(SCHEMA),
        mean=normal.mean,
        scale=normal.scale,
        components=normal.components,
        ridge=np.array(normal.ridge),
        models=np.array(models, dtype=np.str_),
    )
    return packed.getvalue()


def _check(normal: Normal) -> None:
    count = normal.mean.size
    shapes = (normal.mean.shape, normal.scale.shape, normal.components.shape[1:])
    if normal.components.ndim != 2 or shapes != ((count,),) * 3:
        raise ValueError(f"its arrays have shapes {shapes}")
    parts = (normal.mean, normal.scale, normal.components, np.array(normal.ridge))
    if not all(part.dtype.kind == "f" and np.isfinite(part).all() for part in parts):
        raise ValueError("it holds what is no number")
    if not (normal.scale > 0).all() or not normal.ridge > 0:
        raise ValueError("a spread in it is not above 0")
