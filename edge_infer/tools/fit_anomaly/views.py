"""What is looked at: band energies of samples, grey blocks of pictures, or embeddings; each is a `View`."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_infer.bundle.manifest import Prepare, Roi
from edge_infer.errors import InputError, UsageError
from edge_infer.features import Bands
from edge_infer.model import Model
from edge_infer.prepare.bands import band_edges, band_energies, band_features
from edge_infer.prepare.image import ImageOptions, ImagePreparer
from edge_infer.tools.fit_anomaly.graph import BLOCK, BLOCKS, picture_features
from edge_infer.types import Array, Embedding, Frame, Span, TensorSpec, Wanted

WINDOW_S = 1.0
LEAST_WINDOW = 64  # samples: shorter ones have spectra of a few points
LONGEST_SEGMENT = 1024  # samples; docs/anomaly.md has what 256 and 512 find
MOST_BANDS = 32
# Of the mean energy: what is 80 dB below it is silence, and logarithms of less are noise of rounding.
FLOOR = 1e-8
LEAST_SPREAD = 0.01  # of logarithms of energies: 1 % louder is never much
LEAST_DRIFT = 1e-3  # of the level of a channel, as a part of it: as exact as cheap sensors are


@dataclass(frozen=True, eq=False)
class Features:
    """What there is to learn from: `values (n, d)`, the usual spread of each, and how they come about."""

    values: Array
    scale: Array
    prepare: Prepare


class View(Protocol):
    """What is looked at; `wanted`: windows of samples, None: pictures."""

    wanted: Wanted | None

    def __call__(self, frame: Frame) -> Array:
        """The numbers `(m,)` of a frame that are kept of it."""
        ...

    def features(self, rows: Array, learned: int) -> Features:
        """Of the rows `(n, m)` of a recording, of which the first `learned` are learned from.

        Raises:
            InputError: nothing in it ever changed.
        """
        ...


@dataclass(frozen=True)
class Look:
    """How samples or pictures are to be looked at.

    Attributes:
        sound: all channels are mixed into one
        window: samples; None: as many as come in a second
        rate_hz: at which samples are looked at; None: as they come
        channels: which; empty: all
        roi: part of a picture
    """

    sound: bool = False
    window: int | None = None
    rate_hz: float | None = None
    channels: tuple[str, ...] = ()
    roi: Roi | None = None

    def view_of(self, first: Frame) -> "View":
        """The view for a source that gives such frames.

        Raises:
            InputError: the source has no such channel.
            UsageError: the window is too short.
        """
        return PictureView(self.roi) if first.span is None else SampleView(first.span, self)


class SampleView:
    """Band energies, and of readings the mean of each channel."""

    def __init__(self, span: Span, look: Look) -> None:
        """`span`: of the first block; see `Look.view_of` for what is raised."""
        unknown = [name for name in look.channels if name not in span.channels]
        if unknown:
            raise InputError(f"there is no channel {', '.join(unknown)}; there are {', '.join(span.channels)}")
        rate_hz = look.rate_hz or span.rate_hz or None
        samples = look.window or max(LEAST_WINDOW, round(WINDOW_S * (rate_hz or 0.0)))
        if samples < LEAST_WINDOW:
            raise UsageError(f"a window of {samples} samples is too short to learn from: give at least {LEAST_WINDOW}")
        names = look.channels or (() if look.sound else span.channels)
        self.wanted: Wanted | None = Wanted(samples, samples, rate_hz, len(names) or 1, names, look.sound)
        self._names, self._sound, self._rate_hz, self._samples = names, look.sound, rate_hz, samples
        segment = min(LONGEST_SEGMENT, 1 << int(math.log2(samples / 4)))
        self._bands = Bands(segment=segment, bands=min(MOST_BANDS, segment // 4), floor=(1.0,), level=not look.sound)
        self._edges = band_edges(self._bands)

    def __call__(self, frame: Frame) -> Array:
        """Levels, if any, and energies of all channels."""
        data = frame.data
        if self._names:
            assert frame.span is not None, "these are samples"  # noqa: S101 - Windows has looked
            data = data[:, [frame.span.channels.index(name) for name in self._names]]
        elif self._sound:
            data = data.mean(axis=1, keepdims=True)
        energies = band_energies(data, self._bands.segment, self._edges)
        return np.concatenate([data.mean(axis=0, dtype=np.float64), energies.reshape(-1)])

    def features(self, rows: Array, learned: int) -> Features:
        """See `View`."""
        channels = len(self._names) or 1
        levels, energies = rows[:, :channels], rows[:, channels:].reshape(len(rows), channels, -1)
        loudness = energies.mean(axis=(0, 2))
        if not (loudness > 0).any():
            raise InputError(
                "all samples of the recording are the same: see that the sensor is connected, and measures"
            )
        floor = tuple(float(f"{FLOOR * mean or FLOOR:.3g}") for mean in loudness)
        bands = Bands(segment=self._bands.segment, bands=self._bands.bands, floor=floor, level=self._bands.level)
        values = np.stack([band_features(*row, bands) for row in zip(levels, energies, strict=True)]).astype(np.float64)
        least = np.full((channels, bands.bands + bands.level), LEAST_SPREAD)
        if bands.level:
            least[:, 0] = LEAST_DRIFT * np.maximum(np.abs(levels.mean(axis=0)), np.sqrt(loudness))
        scale = np.sqrt(values[:learned].var(axis=0) + np.maximum(least.reshape(-1), np.finfo(np.float32).tiny) ** 2)
        prepare = Prepare(
            input="audio" if self._sound else "series",
            rate_hz=self._rate_hz,
            window=self._samples,
            channels=self._names or None,
            features=bands,
        )
        return Features(values, scale, prepare)


class PictureView:
    """Grey levels of 16x16 blocks, whatever the light: see `picture_features`."""

    wanted: Wanted | None = None

    def __init__(self, roi: Roi | None = None) -> None:
        side = BLOCK * BLOCKS
        spec = TensorSpec("picture", (1, side, side, 1), np.dtype(np.uint8), (1.0,), (0,))
        self._prepare = ImagePreparer(spec, ImageOptions(color="gray", roi=roi))
        self._roi = roi

    def __call__(self, frame: Frame) -> Array:
        """All grey levels."""
        return picture_features(self._prepare(frame.data)[0][0, :, :, 0])

    def features(self, rows: Array, learned: int) -> Features:
        """All have the same scale, so that what always moves may move most; see `View`."""
        return Features(
            rows, _even(rows[:learned]), Prepare(input="image", resize="stretch", color="gray", roi=self._roi)
        )


class EmbeddingView:
    """Embeddings of another model."""

    def __init__(self, model: Model, prepare: Prepare) -> None:
        self.wanted = model.wanted
        self._model = model
        self._prepare = prepare

    def __call__(self, frame: Frame) -> Array:
        """The vector, of length 1."""
        prediction = self._model.predict(frame).prediction
        if not isinstance(prediction, Embedding) or not prediction.vector.any():
            raise InputError(f"{self._model.id} says nothing of frame {frame.number} of {frame.source}")
        return prediction.vector

    def features(self, rows: Array, learned: int) -> Features:
        """As of pictures; see `View`."""
        return Features(rows, _even(rows[:learned]), self._prepare)


def _even(rows: Array) -> Array:
    spread = float(np.sqrt(rows.var(axis=0).mean()))
    if spread == 0.0:
        raise InputError("all pictures of the recording are the same: see that the camera is not frozen")
    return np.full(rows.shape[1], spread)
