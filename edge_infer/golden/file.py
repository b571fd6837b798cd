"""golden.npz: pictures or windows of samples, and the arrays of what the model must say about each."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.golden.comparison import Arrays, Comparison, texts, words
from edge_infer.sources.source import clocks
from edge_infer.types import Array, Frame, Prediction, Span

MAX_FRAMES = 64
SAMPLES = ("channels", "channel_units", "rate_hz")  # what is kept of a window beside its numbers
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
    """A picture or a window of samples, and what the model must say about it."""

    frame: Frame
    prediction: Prediction


def read_golden(path: Path, comparison: Comparison[Any]) -> list[Expectation]:
    """The frames of a file, at least one: `frame_i` and, for each other array, `<name>_i`.

    Raises:
        ModelError: it is damaged, or far too large.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            _check_size(arrays.zip)
            parts = [name.rpartition("_") for name in arrays.files]
            count = max(1, sum(name == "frame" for name, _, _ in parts))
            if count > MAX_FRAMES:
                raise ValueError(f"it holds {count} frames, at most {MAX_FRAMES} are read")
            return [
                _expectation(
                    i, {name: arrays[f"{name}_{i}"] for name, _, number in parts if number == str(i)}, comparison
                )
                for i in range(count)
            ]
    except _DAMAGED as error:
        raise ModelError(f"the golden test {path} is damaged ({error}): copy the bundle again") from error


def golden_bytes(frames: Sequence[tuple[Frame, Arrays]]) -> bytes:
    """The file of these frames and their arrays."""
    named = {
        f"{name}_{i}": value
        for i, (frame, arrays) in enumerate(frames)
        for name, value in {"frame": frame.data, **_told(frame.span), **arrays}.items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)  # type: ignore[arg-type]  # numpy's own parameters have other names
    return buffer.getvalue()


def _told(span: Span | None) -> dict[str, Array]:
    """What a window needs beside its numbers; a picture needs nothing."""
    if span is None:
        return {}
    return dict(zip(SAMPLES, (texts(span.channels), texts(span.units), np.array(span.rate_hz)), strict=True))


def _check_size(archive: Any) -> None:
    total = sum(info.file_size for info in archive.infolist())
    if total > MAX_BYTES:
        raise ValueError(f"it holds {total} bytes, at most {MAX_BYTES} are read")


def _expectation(i: int, arrays: Arrays, comparison: Comparison[Any]) -> Expectation:
    data = arrays["frame"]
    span = _span(arrays) if "channels" in arrays else None
    if span is None and (data.dtype != np.uint8 or data.ndim != 3 or data.shape[2] != 3 or 0 in data.shape):
        raise ValueError(f"a picture is (height, width, 3) uint8, not {data.shape} {data.dtype}")
    frame = Frame("golden", i, data, *clocks(), span=span)
    return Expectation(frame, comparison.restore({name: arrays[name] for name in arrays if name not in SAMPLES}))


def _span(arrays: Arrays) -> Span:
    data, channels = arrays["frame"], words(arrays, "channels", 0)
    if data.dtype != np.float32 or data.shape != (len(data), len(channels)) or 0 in data.shape:
        raise ValueError(f"a window of {len(channels)} channels is (samples, channels) float32, not {data.shape}")
    return Span(0, len(data), float(arrays["rate_hz"]), channels, words(arrays, "channel_units", 0))
