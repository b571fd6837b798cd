"""Stored samples of sound, and the names of its channels."""

import numpy as np

from edge_infer.sources.audio_settings import SampleFormat
from edge_infer.types import Array

_STORED = {
    "u8": "u1", "s16le": "<i2", "s16be": ">i2", "s32le": "<i4", "s32be": ">i4",
    "f32le": "<f4", "f32be": ">f4", "f64le": "<f8",
}  # fmt: skip


def bytes_of(form: SampleFormat) -> int:
    """How many bytes one sample of one channel takes."""
    return 3 if form.startswith("s24") else np.dtype(_STORED[form]).itemsize


def samples_of(data: bytes, form: SampleFormat, channels: int) -> Array:
    """`(samples, channels) float32` of -1..1, from as many bytes as whole samples take.

    Integers of b bits are divided by 2 ** (b - 1). What is no finite number becomes silence.
    """
    if form.startswith("s24"):
        three = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(three), 4), np.uint8)
        wide[:, 1:] = three if form == "s24le" else three[:, ::-1]
        values = wide.view("<i4").reshape(-1).astype(np.float32) / np.float32(2**31)
    else:
        stored = np.frombuffer(data, _STORED[form])
        if form == "u8":
            values = (stored.astype(np.float32) - 128.0) / 128.0
        elif stored.dtype.kind == "i":
            values = stored.astype(np.float32) / np.float32(2 ** (8 * stored.itemsize - 1))
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                values = np.nan_to_num(stored.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(values.reshape(-1, channels), np.float32)


def channel_names(count: int) -> tuple[str, ...]:
    """mono; left, right; or 1, 2, 3 ..."""
    return {1: ("mono",), 2: ("left", "right")}.get(count) or tuple(str(1 + number) for number in range(count))
