"""MediaPipe Tasks in IMAGE mode."""

from typing import Any

import mediapipe as mp  # type: ignore[import-not-found]
from mediapipe.tasks.python import BaseOptions, vision  # type: ignore[import-not-found]

from bench_peers.workers.tasks import serve
from bench_peers.workers.turns import MIN_SCORE, TOP_K, Given


def main() -> None:
    given = Given.from_arguments()
    base, mode = BaseOptions(model_asset_path=given.model), vision.RunningMode.IMAGE
    if given.kind == "ssd":
        options = vision.ObjectDetectorOptions(base, mode, score_threshold=MIN_SCORE)
        ask = vision.ObjectDetector.create_from_options(options).detect
    else:
        options = vision.ImageClassifierOptions(base, mode, max_results=TOP_K)
        ask = vision.ImageClassifier.create_from_options(options).classify
    serve(given, ask, picture, ["mediapipe", "numpy", "paho-mqtt"])


def picture(rgb: Any) -> Any:
    """As it wants them."""
    return mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)


if __name__ == "__main__":
    main()
