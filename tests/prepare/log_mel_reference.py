"""Writes log_mel_reference.npz: what librosa and TensorFlow make of `sound()`. Run by hand where they are installed:

    python tests/prepare/log_mel_reference.py librosa      # or tensorflow; each adds its own

The values in the repository are of librosa 0.11 and TensorFlow 2.21.
"""

import sys
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("log_mel_reference.npz")
RATE = 16000


def sound() -> np.ndarray:
    """A tenth of a second: a chirp, a tone and a click; float32."""
    t = np.arange(1600) / RATE
    x = 0.5 * np.sin(2 * np.pi * (200 * t + 30000 * t * t)) + 0.05 * np.sin(2 * np.pi * 1234 * t)
    x[800] += 0.4
    return x.astype(np.float32)


def of_librosa() -> dict[str, np.ndarray]:
    import librosa

    x = sound()
    usual = librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=512, hop_length=160, n_mels=40)
    plain = librosa.feature.melspectrogram(
        y=x, sr=RATE, n_fft=512, win_length=400, hop_length=160, n_mels=40, htk=True, norm=None, fmin=50, fmax=7000,
        power=1.0, window="hamming", pad_mode="reflect",
    )  # fmt: skip
    return {
        "librosa_db": librosa.power_to_db(usual, ref=np.max, top_db=60).T,
        "librosa_htk": np.log(plain + 1e-6).T,
        "librosa_uncentred": np.log10(
            np.maximum(
                librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=400, hop_length=200, n_mels=32, center=False), 1e-5
            )
        ).T,
    }


def of_tensorflow() -> dict[str, np.ndarray]:
    import tensorflow as tf

    spectrum = tf.abs(tf.signal.stft(sound(), 400, 160, 512))
    bands = tf.signal.linear_to_mel_weight_matrix(64, 257, RATE, 125.0, 7500.0)
    return {"yamnet": tf.math.log(spectrum @ bands + 0.001).numpy()}


if __name__ == "__main__":
    kept = dict(np.load(FILE)) if FILE.exists() else {}
    made = of_librosa() if sys.argv[1] == "librosa" else of_tensorflow()
    np.savez_compressed(FILE, **kept, **{name: value.astype(np.float32) for name, value in made.items()})
