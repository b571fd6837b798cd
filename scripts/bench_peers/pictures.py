"""Frames of a camera that looks at something: parts of pictures, mirrored and with noise; always the same."""

from pathlib import Path

import cv2
import numpy as np

from bench_peers.workers.turns import RING
from edge_infer.tools.noise import CAMERA, noise_picture
from edge_infer.types import Array

NOISE = 4.0  # standard deviation of 256: a small sensor indoors
NAMES = ("cats_and_dogs.jpg", "cat.bmp", "burger.jpg", "squat.bmp")


def ring(inputs: Path) -> tuple[Array, str]:
    """`(RING, height, width, 3) uint8` BGR, and what is to be seen on them."""
    random = np.random.default_rng(0)
    found = [cv2.imread(str(inputs / name)) for name in NAMES if (inputs / name).is_file()]
    pictures = [filling(picture) for picture in found if picture is not None]
    seen = f"{len(pictures)} pictures of {inputs.name}/, also mirrored, with noise"
    if not pictures:
        pictures, seen = [noise_picture()], "made of noise: there is no test data"
    pictures += [cv2.flip(picture, 1) for picture in pictures]
    frames = [pictures[number % len(pictures)] for number in range(RING)]
    return np.stack([_noisy(frame, random) for frame in frames]), seen


def filling(picture: Array) -> Array:
    """The middle of a picture, as large as a camera's frame."""
    width, height = CAMERA
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    larger = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return larger[y : y + height, x : x + width]


def _noisy(frame: Array, random: np.random.Generator) -> Array:
    noisy: Array = (frame + random.normal(0.0, NOISE, frame.shape)).round().clip(0, 255).astype(np.uint8)
    return noisy
