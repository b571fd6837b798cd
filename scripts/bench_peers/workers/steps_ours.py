"""The steps as edge_infer has them."""

import numpy as np

from bench_peers.workers.steps import CLASSES, GREY, IOU, LETTERBOXED, SIDE, repeat
from bench_peers.workers.turns import MIN_SCORE, Given
from edge_infer.decode.yolo import YoloDecoder
from edge_infer.decode.yolo_find import find_layout
from edge_infer.decode.yolo_layout import Wanted
from edge_infer.prepare.image import ImageOptions, ImagePreparer
from edge_infer.types import Geometry, TensorSpec

PACKAGES = ["edge-infer", "numpy", "opencv-python-headless"]


def main() -> None:
    given = Given.from_arguments()
    if given.kind == "letterbox":
        spec = TensorSpec("in", (1, LETTERBOXED, LETTERBOXED, 3), np.dtype(np.uint8))
        prepare = ImagePreparer(spec, ImageOptions("letterbox", pad=GREY))
        repeat(given, lambda frame: int(prepare(frame)[1].pad[1]), [*np.load(given.frames)], PACKAGES)
        return
    said = np.load(given.model)
    output = said["output"]
    quantisation = (float(said["scale"]),), (int(said["zero_point"]),)
    spec = TensorSpec("out", output.shape, output.dtype, *quantisation)
    layout = find_layout([spec], Wanted("detect", (SIDE, SIDE), CLASSES), "a model")
    decode = YoloDecoder([spec], layout, (), min_score=MIN_SCORE, iou=IOU)
    geometry = Geometry((SIDE, SIDE), (SIDE, SIDE))
    repeat(given, lambda cells: len(decode([cells], geometry)), [output], PACKAGES)


if __name__ == "__main__":
    main()
