"""Logarithms of the energy in mel bands, as TensorFlow, librosa and torchaudio compute them."""

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.features import LogMel
from edge_infer.prepare.front_end import frames_of
from edge_infer.types import Array, TensorSpec

TINY = 1e-10  # under a logarithm, where neither offset nor floor is given; Source: librosa, power_to_db, amin
# Products of matrices that take no more multiplications are left to one thread: more of them wait for one another on a
# busy machine (measured, 96 frames: median 12 ms instead of 0.4). Source: OpenBLAS, GEMM_MULTITHREAD_THRESHOLD 4
ONE_THREAD = 250_000
# Source: Slaney's Auditory Toolbox: linear below 1 kHz, 200/3 Hz a mel; above, 27 mels for a factor of 6.4
SLANEY_HZ, SLANEY_KNEE_HZ, SLANEY_STEP = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0


class LogMelFrontEnd:
    """Mono sound to `frames x bins`; the input has them in either order. See `FrontEnd`."""

    channels = 1
    hop: int | None = None

    def __init__(self, options: LogMel, spec: TensorSpec, rate_hz: float | None, window: int | None) -> None:
        if not rate_hz:
            raise ModelError("mel bands need the rate of the samples: say which, prepare: {rate_hz: 16000}")
        if options.fft < options.frame:
            raise ModelError(f"features: fft {options.fft} is shorter than the frame of {options.frame} samples")
        self.rate_hz: float | None = rate_hz
        self._options = options
        self._frames = frames_of(spec, options.bins)
        self._bands_first = _bands_first(spec, options.bins)
        self._length = options.frame if options.pad == "none" else options.fft
        self.samples = self._samples(spec, window)
        self._taper = _taper(options, self._length)
        self._bands = mel_bands(options, rate_hz).astype(np.float32)
        self._at_once = max(1, ONE_THREAD // self._bands.size)
        self._mean, self._std = (_for_bands(getattr(options, name), name, options.bins) for name in ("mean", "std"))
        if not self._std.all():
            raise ModelError("features: std is 0: normalisation would divide by zero")

    def __call__(self, data: Array) -> Array:
        """`(samples, 1) float32` to all numbers of the input."""
        options, sound = self._options, data[:, 0]
        if options.pad != "none":
            sound = np.pad(sound, options.fft // 2, "reflect" if options.pad == "reflect" else "constant")
        frames = np.lib.stride_tricks.sliding_window_view(sound, self._length)[:: options.step][: self._frames]
        lines = np.abs(np.fft.rfft(frames * self._taper, options.fft)).astype(np.float32) ** options.power
        parts = [lines[at : at + self._at_once] @ self._bands for at in range(0, self._frames, self._at_once)]
        values = (self._logarithm(np.concatenate(parts)) - self._mean) / self._std
        return np.asarray(values.T if self._bands_first else values, np.float32)

    def forget(self) -> None:
        """Nothing is kept from window to window."""

    def _samples(self, spec: TensorSpec, window: int | None) -> int:
        """Of a window: as is said, or as few as make that many frames."""
        options, ends = self._options, self._options.frame if self._options.pad == "none" else 0
        least = ends + (self._frames - 1) * options.step
        if window is None:
            if options.pad == "reflect" and least <= options.fft // 2:
                raise ModelError(f"features: {self._frames} frames are too few for pad reflect")
            return least
        if not least <= window < least + options.step:
            raise ModelError(
                f"input '{spec.name}' takes {self._frames} frames of {options.bins} bands, which are {least} to "
                f"{least + options.step - 1} samples, and the window has {window}"
            )
        return window

    def _logarithm(self, energies: Array) -> Array:
        options = self._options
        if options.log == "none":
            return energies
        shown = np.maximum(energies + options.offset, options.floor or TINY)
        if options.loudest:
            shown = shown / shown.max()
        if options.log == "ln":
            return np.asarray(np.log(shown))
        values = np.log10(shown) * (10.0 if options.log == "db" else 1.0)
        return np.asarray(values if options.top_db is None else np.maximum(values, values.max() - options.top_db))


def mel_bands(options: LogMel, rate_hz: float) -> Array:
    """Weights `(fft // 2 + 1, bins)` of a spectrum's lines in each band."""
    lines = np.linspace(0.0, rate_hz / 2.0, options.fft // 2 + 1)
    if not options.low_hz < options.high_hz <= rate_hz / 2.0:
        raise ModelError(
            f"features: bands from {options.low_hz:g} to {options.high_hz:g} Hz do not fit sound of {rate_hz:g} "
            f"samples a second, which has {rate_hz / 2.0:g} Hz at most"
        )
    low, high = (_mel(np.asarray(hz), options.mel) for hz in (options.low_hz, options.high_hz))
    edges = np.linspace(low, high, options.bins + 2)
    edges_hz = _hz(edges, options.mel)
    if options.slopes == "hz":
        edges = edges_hz
    else:
        lines = _mel(lines, options.mel)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (lines[:, None] - lower) / (centre - lower)
    falling = (upper - lines[:, None]) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if options.area:  # Source: librosa.filters.mel, norm="slaney"
        weights *= 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return np.asarray(weights)


def _mel(hz: Array, scale: str) -> Array:
    """Source: HTK book, 5.4: 2595 log10(1 + f/700), with the ln of TensorFlow's 1127; or Slaney's."""
    if scale == "htk":
        return np.asarray(1127.0 * np.log1p(hz / 700.0))
    knee = SLANEY_KNEE_HZ / SLANEY_HZ
    return np.where(
        hz < SLANEY_KNEE_HZ, hz / SLANEY_HZ, knee + np.log(np.maximum(hz, 1.0) / SLANEY_KNEE_HZ) / SLANEY_STEP
    )


def _hz(mel: Array, scale: str) -> Array:
    """What `_mel` was given."""
    if scale == "htk":
        return np.asarray(700.0 * np.expm1(mel / 1127.0))
    knee = SLANEY_KNEE_HZ / SLANEY_HZ
    return np.where(mel < knee, mel * SLANEY_HZ, SLANEY_KNEE_HZ * np.exp((mel - knee) * SLANEY_STEP))


def _taper(options: LogMel, length: int) -> Array:
    """The window function, in the middle of `length` samples."""
    turn = 2.0 * np.pi * np.arange(options.frame) / options.frame  # periodic
    shapes = {"hann": 0.5 - 0.5 * np.cos(turn), "hamming": 0.54 - 0.46 * np.cos(turn), "none": np.ones(options.frame)}
    before = (length - options.frame) // 2
    return np.pad(shapes[options.taper], (before, length - options.frame - before)).astype(np.float32)


def _bands_first(spec: TensorSpec, bins: int) -> bool:
    """The input has all frames of one band, then the next: as torchaudio and librosa order them."""
    sides = [side for side in spec.shape if side != 1]
    return len(sides) == 2 and sides[0] == bins and sides[1] != bins


def _for_bands(values: tuple[float, ...], what: str, bins: int) -> Array:
    given = np.asarray(values, np.float32)
    if len(given) not in (1, bins) or not np.isfinite(given).all():
        raise ModelError(f"features: {what} has {len(given)} values for {bins} bands: give one number, or one a band")
    return given
