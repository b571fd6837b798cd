"""Band energies: how strongly each channel of a window moves, slowly to fast."""

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.features import Bands
from edge_infer.types import Array, TensorSpec


class BandsFrontEnd:
    """`(samples, channels) float32` to the features of each channel in turn; see `FrontEnd`."""

    hop = None
    rate_hz = None

    def __init__(self, features: Bands, spec: TensorSpec, channels: int, window: int | None) -> None:
        """Raises ModelError where the input takes another number of features, or the lengths do not fit together."""
        self.samples = window or features.segment
        self.channels = channels
        self._features = features
        self._edges = band_edges(features)
        if features.segment > self.samples:
            raise ModelError(f"a segment of {features.segment} samples is longer than a window of {self.samples}")
        if len(features.floor) not in (1, channels):
            raise ModelError(
                f"floor has {len(features.floor)} numbers: give one, or one for each of {channels} channels"
            )
        count = channels * (features.bands + features.level)
        if np.prod(spec.shape) != count:
            raise ModelError(
                f"input '{spec.name}' of shape {list(spec.shape)} does not take the {count} features of {channels} "
                f"channels: look at prepare: {{channels: ..., features: {{bands: {features.bands}}}}}"
            )

    def __call__(self, data: Array) -> Array:
        """All features, `(channels * (1 + bands),) float32`; without the 1 where levels are none."""
        energies = band_energies(data, self._features.segment, self._edges)
        return band_features(data.mean(axis=0, dtype=np.float64), energies, self._features)

    def forget(self) -> None:
        """Each window stands alone."""


def band_edges(features: Bands) -> Array:
    """`(bands + 1,) int`: the bins of a segment's spectrum where bands begin; spread as a logarithm is, none empty.

    Bin 0, the mean, is in none.

    Raises:
        ModelError: the segment is too short for so many bands.
    """
    bins = features.segment // 2
    if features.bands > bins:
        raise ModelError(f"a segment of {features.segment} samples has at most {bins} bands, not {features.bands}")
    edges = np.rint(np.geomspace(1, bins + 1, features.bands + 1)).astype(np.intp)  # reduceat takes no other
    for place in range(1, len(edges)):
        edges[place] = max(edges[place], edges[place - 1] + 1)
    least: Array = np.minimum(edges, bins + 1 - np.arange(features.bands, -1, -1))  # those behind need a bin each, too
    return least


def band_energies(data: Array, segment: int, edges: Array) -> Array:
    """`(channels, bands) float64`: mean square of `(samples, channels)` in each band, averaged over segments.

    Source: Welch, "The Use of Fast Fourier Transform for the Estimation of Power Spectra", 1967: segments that overlap
    by half, with a Hann window; divided by its energy, so that all bands of white noise of variance 1 add up to 1.
    """
    taper = np.hanning(segment)
    starts = range(0, len(data) - segment + 1, max(1, segment // 2))
    segments = np.stack([data[start : start + segment] for start in starts]).astype(np.float64)
    segments -= segments.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(segments * taper[:, None], axis=1)) ** 2
    power = power.mean(axis=0) * (2.0 / (segment * np.sum(taper**2)))
    if segment % 2 == 0:
        power[-1] /= 2  # half the rate has no twin of negative frequency
    return np.add.reduceat(power[: edges[-1]], edges[:-1], axis=0).T


def band_features(levels: Array, energies: Array, features: Bands) -> Array:
    """`(channels * (1 + bands),) float32` of means `(channels,)` and energies; without the 1 where levels are none."""
    logarithms = np.log(energies + np.array(features.floor)[:, None])
    parts = [levels[:, None], logarithms] if features.level else [logarithms]
    values: Array = np.concatenate(parts, axis=1).reshape(-1).astype(np.float32)
    return values
