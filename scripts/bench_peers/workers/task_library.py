"""The Task Library of tflite-support."""

from tflite_support.task import core, processor, vision  # type: ignore[import-not-found]

from bench_peers.workers.tasks import serve
from bench_peers.workers.turns import MIN_SCORE, TOP_K, Given


def main() -> None:
    given = Given.from_arguments()
    base = core.BaseOptions(file_name=given.model)
    if given.kind == "ssd":
        objects = vision.ObjectDetectorOptions(base, processor.DetectionOptions(score_threshold=MIN_SCORE))
        ask = vision.ObjectDetector.create_from_options(objects).detect
    else:
        classes = vision.ImageClassifierOptions(base, processor.ClassificationOptions(max_results=TOP_K))
        ask = vision.ImageClassifier.create_from_options(classes).classify
    packages = ["tflite-support", "numpy", "opencv-python-headless", "paho-mqtt"]
    serve(given, ask, vision.TensorImage.create_from_array, packages)


if __name__ == "__main__":
    main()
