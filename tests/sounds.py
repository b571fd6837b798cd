"""Sound for tests: WAV files of any kind, sentences that a program speaks, wake-word models."""

import importlib.util
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


def sine(hz: float, seconds: float, rate_hz: int = 16000, level: float = 0.5) -> np.ndarray:
    """`(samples, 1) float32`."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)[:, None]


def stored(data: np.ndarray, bits: int, *, real: bool = False) -> bytes:
    """Samples of -1..1 as a WAV file has them."""
    if real:
        return data.astype(f"<f{bits // 8}").tobytes()
    whole = np.clip(np.round(data.astype(np.float64) * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    wide = whole.astype("<i4" if bits != 16 else "<i2")
    return wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes() if bits == 24 else wide.tobytes()


def wav_bytes(
    data: np.ndarray,
    rate_hz: int = 16000,
    bits: int = 16,
    *,
    real: bool = False,
    extensible: bool = False,
    before: bytes = b"",
    length: int | None = None,
) -> bytes:
    """A WAV file of `(samples, channels)`; `before`: chunks before the samples, `length`: what its header says."""
    channels, body, tag = data.shape[1], stored(data, bits, real=real), FLOAT if real else PCM
    step = channels * bits // 8
    fmt = struct.pack("<HHIIHH", EXTENSIBLE if extensible else tag, channels, rate_hz, rate_hz * step, step, bits)
    if extensible:
        fmt += struct.pack("<HHIH", 22, bits, 0, tag) + bytes.fromhex("000000001000800000aa00389b71")
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + before
    chunks += b"data" + struct.pack("<I", len(body) if length is None else length) + body
    return b"RIFF" + struct.pack("<I", (4 + len(chunks)) & 0xFFFFFFFF) + b"WAVE" + chunks


def spoken(text: str, folder: Path, *, voice: str = "en-us", rate_hz: int = 16000) -> np.ndarray:
    """`(samples, 1) float32` of a sentence."""
    if not shutil.which("espeak-ng") or not shutil.which("ffmpeg"):
        pytest.skip("espeak-ng or ffmpeg is not installed")
    said = folder / "said.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "130", "-w", said, text], check=True, timeout=60)
    command = ["ffmpeg", "-loglevel", "error", "-i", said, "-ar", str(rate_hz), "-ac", "1", "-f", "f32le", "-"]
    raw = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return np.frombuffer(raw, "<f4")[:, None].copy()


def wake_word_model(name: str) -> Path:
    """A model of the package pymicro-wakeword."""
    found = importlib.util.find_spec("pymicro_wakeword")
    if found is None or found.origin is None:
        pytest.skip("pymicro-wakeword is not installed")
    return Path(found.origin).parent / "models" / f"{name}.tflite"
