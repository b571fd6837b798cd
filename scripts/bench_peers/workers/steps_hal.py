"""The steps with EdgeFirst's HAL, from numpy to numpy as elsewhere; it takes no BGR, and is given RGB."""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("RUST_LOG", "error")
import edgefirst_hal as hal  # type: ignore[import-not-found]
import numpy as np

from bench_peers.workers.steps import GREY, IOU, LETTERBOXED, repeat
from bench_peers.workers.turns import MIN_SCORE, Given


def main() -> None:
    given = Given.from_arguments()
    if given.kind == "letterbox":
        frames = [np.ascontiguousarray(frame[..., ::-1]) for frame in np.load(given.frames)]
        repeat(given, letterbox(frames[0]), frames, ["edgefirst-hal", "numpy"])
    said = np.load(given.model)
    repeat(given, decode(said), [said["output"]], ["edgefirst-hal", "numpy"])


def letterbox(frame: Any) -> Callable[[Any], int]:
    """Into an array; returns the rows above the picture."""
    height, width = frame.shape[:2]
    processor = hal.ImageProcessor()
    source = hal.Tensor.image(width, height, hal.PixelFormat.Rgb, access="write")
    target = hal.Tensor.image(LETTERBOXED, LETTERBOXED, hal.PixelFormat.Rgb, access="read")
    tensor = np.empty((1, LETTERBOXED, LETTERBOXED, 3), np.uint8)

    above: int = (LETTERBOXED - height * LETTERBOXED // width) // 2

    def step(rgb: Any) -> int:
        source.from_numpy(rgb)
        processor.convert(source, target, letterbox=[GREY, GREY, GREY, 255])
        target.normalize_to_numpy(tensor[0])
        return above

    return step


def decode(said: Any) -> Callable[[Any], int]:
    """Objects of an int8 output."""
    shape = list(said["output"].shape)
    output = hal.Output.detection(shape=shape)
    output = output.with_quantization(float(said["scale"]), int(said["zero_point"])).with_normalized(True)
    decoder = hal.Decoder.new_from_outputs([output], MIN_SCORE, IOU, hal.Nms.ClassAware)
    tensor = hal.Tensor(shape, "int8")

    def step(cells: Any) -> int:
        tensor.from_numpy(cells)
        return len(decoder.decode([tensor], 300)[0])

    return step


if __name__ == "__main__":
    main()
