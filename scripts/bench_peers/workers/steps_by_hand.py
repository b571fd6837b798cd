"""The steps with OpenCV and numpy."""

import numpy as np

from bench_peers.workers import by_hand_yolo
from bench_peers.workers.steps import LETTERBOXED, SIDE, repeat
from bench_peers.workers.turns import Given


def main() -> None:
    given = Given.from_arguments()
    packages = ["numpy", "opencv-python-headless"]
    if given.kind == "letterbox":
        size = (LETTERBOXED, LETTERBOXED)
        repeat(given, lambda frame: by_hand_yolo.letterbox(frame, *size)[2][1], [*np.load(given.frames)], packages)
        return
    said = np.load(given.model)
    output, quantisation = said["output"][0], (float(said["scale"]), int(said["zero_point"]))
    repeat(given, lambda cells: len(by_hand_yolo.objects(cells, quantisation, (SIDE, SIDE))[0]), [output], packages)


if __name__ == "__main__":
    main()
