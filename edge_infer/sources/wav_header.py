"""The header of a WAV file: what its samples are, and where they lie."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge_infer.errors import InputError
from edge_infer.sources.audio_settings import SampleFormat
from edge_infer.sources.sound import bytes_of

# Source: Microsoft, Multiple channel audio data and WAVE files; mmreg.h
PCM, FLOAT, EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
OTHERS = {0x0002: "ADPCM", 0x0006: "A-law", 0x0007: "mu-law", 0x0011: "IMA ADPCM", 0x0031: "GSM", 0x0055: "MP3"}
FORMATS: dict[tuple[int, int], SampleFormat] = {
    (PCM, 8): "u8", (PCM, 16): "s16le", (PCM, 24): "s24le", (PCM, 32): "s32le",
    (FLOAT, 32): "f32le", (FLOAT, 64): "f64le",
}  # fmt: skip
# Of the `data` chunk, where a writer could not know it: it was piped. Source: FFmpeg, wavenc.c; sox
UNKNOWN = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000)
MAX_CHANNELS, MAX_RATE_HZ = 64, 768_000


@dataclass(frozen=True)
class WavHeader:
    """What a file says of its samples.

    Attributes:
        start: of the samples in the file, bytes
        samples: of each channel that are there
        promised: that the header says there are; None: it does not know
    """

    form: SampleFormat
    rate_hz: int
    channels: int
    start: int
    samples: int
    promised: int | None

    @property
    def step(self) -> int:
        """Bytes of one sample of all channels."""
        return bytes_of(self.form) * self.channels


def read_header(file: BinaryIO, path: Path) -> WavHeader:
    """The header of an open file.

    Raises:
        InputError: it is none, is damaged, or its samples are stored in a way that is not read here.
    """
    size = file.seek(0, 2)
    file.seek(0)
    riff = file.read(12)
    if len(riff) < 12 or riff[:4] not in (b"RIFF", b"RF64", b"BW64") or riff[8:] != b"WAVE":
        raise InputError(f"{path} is no WAV file: it does not begin with RIFF ... WAVE{_other(riff)}")
    fmt: bytes | None = None
    long: int | None = None  # size of the data in a file of more than 4 GB
    while len(head := file.read(8)) == 8:
        name, length = head[:4], struct.unpack("<I", head[4:])[0]
        at = file.tell()
        if name == b"data":
            if fmt is None:
                raise InputError(f"{path} is damaged: its samples come before its chunk 'fmt '")
            return _header(fmt, path, at, size - at, long if length == 0xFFFFFFFF and long is not None else length)
        if name == b"fmt ":
            fmt = file.read(min(length, 64))
        elif name == b"ds64":
            parts = file.read(min(length, 24))
            long = struct.unpack_from("<Q", parts, 8)[0] if len(parts) >= 16 else None
        file.seek(at + length + length % 2)
    raise InputError(f"{path} is damaged: it holds no samples (no chunk 'data')")


def _header(fmt: bytes, path: Path, start: int, there: int, length: int) -> WavHeader:
    if len(fmt) < 16:
        raise InputError(f"{path} is damaged: its chunk 'fmt ' has {len(fmt)} bytes of 16")
    tag, channels, rate_hz, _, step, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == EXTENSIBLE:
        if len(fmt) < 26:
            raise InputError(f"{path} is damaged: its extensible chunk 'fmt ' has {len(fmt)} bytes of 40")
        tag = struct.unpack_from("<H", fmt, 24)[0]
    # Source: the same: samples of 20 bits lie in the upper bits of 24, so a container's size counts
    stored_bits = 8 * step // channels if channels and step % channels == 0 else bits
    form = FORMATS.get((tag, stored_bits))
    if form is None:
        kind = OTHERS.get(tag, f"format {tag:#06x}")
        what = f"{kind}" if tag not in (PCM, FLOAT) else f"{stored_bits}-bit {'float' if tag == FLOAT else 'PCM'}"
        raise InputError(
            f"{path} holds {what}, which is not read here: convert it, ffmpeg -i IN -c:a pcm_s16le OUT.wav"
        )
    if not 1 <= channels <= MAX_CHANNELS or not 1 <= rate_hz <= MAX_RATE_HZ:
        raise InputError(f"{path} is damaged: {channels} channels of {rate_hz} samples a second cannot be")
    step = channels * bytes_of(form)
    promised = None if length in UNKNOWN and length != there else length // step
    samples = there // step if promised is None else min(there // step, promised)
    return WavHeader(form, rate_hz, channels, start, samples, promised)


def _other(start: bytes) -> str:
    """What it is instead, where that is easily said."""
    known = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3\x03": "MP3", b"ID3\x04": "MP3", b"FORM": "AIFF", b"RIFX": "RIFX"}
    name = known.get(start[:4]) or ("AVI" if start[8:] == b"AVI " else None)
    return f", it is {name}; convert it, ffmpeg -i IN -c:a pcm_s16le OUT.wav" if name else ""
