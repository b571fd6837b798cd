"""A frame of noise that a model takes: to time it, and to see what becomes of a frame."""

from math import ceil

import cv2
import numpy as np

from edge_infer.model import Model
from edge_infer.prepare.image import ImageOptions
from edge_infer.prepare.samples import SampleOptions
from edge_infer.sources.source import clocks
from edge_infer.types import Array, Frame, Size, Span, Wanted

CAMERA = (640, 480)  # width, height: what a camera gives most often
COARSE = 40  # px from one colour to the next: the picture has edges
GRAIN = 24  # of 256, that each pixel differs
LOUDNESS = 0.1  # of sound: -20 dBFS, as speech nearby


def noise_frame(model: Model, size: Size = CAMERA) -> Frame:
    """A picture of `size` (width, height), larger where a region of it is looked at; or a window. Always the same."""
    options = model.recipe.prepare
    if isinstance(options, ImageOptions):
        right, bottom = (options.roi or (0, 0, 0, 0))[2:]
        return Frame("noise", 0, noise_picture((max(size[0], ceil(right)), max(size[1], ceil(bottom)))), *clocks())
    assert model.wanted is not None, "a model of samples wants windows"  # noqa: S101 - see Feeder
    return _window(model.wanted, options)


def noise_picture(size: Size = CAMERA) -> Array:
    """`(height, width, 3) uint8` BGR with edges and noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (max(2, size[1] // COARSE), max(2, size[0] // COARSE), 3), np.uint8)
    smooth = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    return cv2.add(smooth, random.integers(0, GRAIN, smooth.shape, np.uint8))


def _window(wanted: Wanted, options: SampleOptions) -> Frame:
    """As loud as what the model was trained with, where its normalisation tells."""
    usual = LOUDNESS if wanted.sound else 1.0
    mean, std = (np.asarray(values, np.float32) for values in (options.mean or (0.0,), options.std or (usual,)))
    noise = np.random.default_rng(0).standard_normal((wanted.samples, wanted.channels)).astype(np.float32)
    names = wanted.names or tuple(map(str, range(wanted.channels)))
    span = Span(0, wanted.samples, wanted.rate_hz or 1.0, names)
    return Frame("noise", 0, noise * std + mean, *clocks(), span=span)
