"""Sentences that espeak-ng says, and noise."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soxr

from edge_infer.sources.wav import WavSource
from edge_infer.types import Array

RATE = 16000
SPEECH_DBFS = -26.0  # Source: ITU-T P.56: the usual active speech level of test recordings
QUIET = 0.01  # of a sentence's peak: what is less at its ends is silence
VOICES = ("en-us", "en-gb", "en-us+f2", "en-us+f4", "en-gb+m3", "en-us+m7", "en-gb-scotland", "en-029")
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
)  # Source: IEEE Recommended Practice for Speech Quality Measurements, list 1


def say(text: str, voice: str, words_a_minute: int = 150) -> Array:
    """`(samples,) float32` without silence at its ends, at SPEECH_DBFS."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(words_a_minute), "-w", path, text], check=True, timeout=60)
        with WavSource(path) as source:
            said = np.concatenate([frame.data[:, 0] for frame in source])
            rate = source.header.rate_hz
    loud = np.flatnonzero(np.abs(said) > QUIET * np.abs(said).max())
    said = soxr.resample(said[loud[0] : loud[-1] + 1], rate, RATE)
    return np.asarray(said * level(SPEECH_DBFS) / np.sqrt(np.mean(said**2)), np.float32)


def noise(kind: str, samples: int, dbfs: float, random: np.random.Generator) -> Array:
    """White noise, or pink: as much energy in each octave."""
    if kind == "babble":
        voices = [np.concatenate([say(text, voice) for text in SENTENCES]) for voice in VOICES]
        made = sum(np.resize(np.roll(one, int(random.integers(len(one)))), samples) for one in voices)
    else:
        spectrum = np.fft.rfft(random.standard_normal(samples))
        if kind == "pink":
            spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
            spectrum[0] = 0.0
        made = np.fft.irfft(spectrum, samples)
    made = np.asarray(made)
    return np.asarray(made * level(dbfs) / np.sqrt(np.mean(made**2)), np.float32)


def level(dbfs: float) -> float:
    """What a root mean square of so many dB below 1 is."""
    return float(10.0 ** (dbfs / 20.0))
