"""golden.npz: pictures, and the arrays of what the model must say about each."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.golden.comparison import Arrays, Comparison
from edge_infer.types import Array, Prediction

MAX_PICTURES = 64
# Of a hostile file. 64 pictures of 640x640 have 79 MB.
MAX_BYTES = 256 * 2**20
_DAMAGED = (
    KeyError,
    ValueError,
    TypeError,
    OSError,
    EOFError,
    MemoryError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """A picture `(height, width, 3) uint8` BGR, and what the model must say about it."""

    frame: Array
    prediction: Prediction


def read_golden(path: Path, comparison: Comparison[Any]) -> list[Expectation]:
    """The pictures of a file, at least one: `frame_i` and, for each other array, `<name>_i`.

    Raises:
        ModelError: it is damaged, or far too large.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            _check_size(arrays.zip)
            parts = [name.rpartition("_") for name in arrays.files]
            count = max(1, sum(name == "frame" for name, _, _ in parts))
            if count > MAX_PICTURES:
                raise ValueError(f"it holds {count} pictures, at most {MAX_PICTURES} are read")
            return [
                _expectation({name: arrays[f"{name}_{i}"] for name, _, number in parts if number == str(i)}, comparison)
                for i in range(count)
            ]
    except _DAMAGED as error:
        raise ModelError(f"the golden test {path} is damaged ({error}): copy the bundle again") from error


def golden_bytes(pictures: Sequence[tuple[Array, Arrays]]) -> bytes:
    """The file of these pictures (BGR) and their arrays."""
    named = {
        f"{name}_{i}": value
        for i, (frame, arrays) in enumerate(pictures)
        for name, value in {"frame": frame, **arrays}.items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)  # type: ignore[arg-type]  # numpy's own parameters have other names
    return buffer.getvalue()


def _check_size(archive: Any) -> None:
    total = sum(info.file_size for info in archive.infolist())
    if total > MAX_BYTES:
        raise ValueError(f"it holds {total} bytes, at most {MAX_BYTES} are read")


def _expectation(arrays: Arrays, comparison: Comparison[Any]) -> Expectation:
    frame = arrays["frame"]
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ValueError(f"a picture is (height, width, 3) uint8, not {frame.shape} {frame.dtype}")
    return Expectation(frame, comparison.restore(arrays))
