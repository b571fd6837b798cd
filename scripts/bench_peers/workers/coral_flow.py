"""The flow that pycoral documents, on the runtime without its Edge TPU: letterbox at the top left, then `get_objects`.

Written from its documentation (common.set_resized_input, detect.get_objects, classify.get_classes). Frames are resized
with OpenCV as in its camera examples; PIL, as in its examples for files, takes several times as long.
"""

from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np

from bench_peers.workers.by_hand import PACKAGES, ByHand
from bench_peers.workers.publishing import Publishing
from bench_peers.workers.turns import MIN_SCORE, TOP_K, Given, Said, Turns


class BBox(NamedTuple):
    xmin: int
    ymin: int
    xmax: int
    ymax: int


class Object(NamedTuple):
    id: int
    score: float
    bbox: BBox


class Class(NamedTuple):
    id: int
    score: float


def main() -> None:
    given = Given.from_arguments()
    turns = Turns(given)
    find = {"classify": classify, "ssd": detect}[given.kind]
    publishing = Publishing(turns)
    turns.work([partial(run, turns, find, ByHand(given), publishing)], PACKAGES)


def run(turns: Turns, find: Any, model: ByHand, publishing: Publishing) -> None:
    """Until the last turn."""
    while True:
        number, frame = turns.read()
        publishing.send(number, turns.say(number, find(model.interpreter, turns.given.labels, frame)))


def detect(interpreter: Any, labels: tuple[str, ...], frame: Any) -> Said:
    """Objects."""
    scale = set_resized_input(interpreter, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    interpreter.invoke()
    found = get_objects(interpreter, MIN_SCORE, scale)
    return [{"label": labels[o.id], "score": o.score, "box": list(o.bbox)} for o in found]


def classify(interpreter: Any, labels: tuple[str, ...], frame: Any) -> Said:
    """Classes; pycoral stretches for them."""
    tensor = input_tensor(interpreter)
    height, width, _ = tensor.shape
    tensor[:] = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), (width, height))
    del tensor  # the runtime refuses to run while somebody looks into it
    interpreter.invoke()
    return [{"label": labels[c.id], "score": c.score} for c in get_classes(interpreter, TOP_K)]


def input_tensor(interpreter: Any) -> Any:
    """A view of `(height, width, channels)`."""
    return interpreter.tensor(interpreter.get_input_details()[0]["index"])()[0]


def set_resized_input(interpreter: Any, rgb: Any) -> float:
    """Place the picture at the top left as large as it fits, the rest black; returns its scale."""
    tensor = input_tensor(interpreter)
    scale: float = min(tensor.shape[1] / rgb.shape[1], tensor.shape[0] / rgb.shape[0])
    width, height = int(rgb.shape[1] * scale), int(rgb.shape[0] * scale)
    tensor.fill(0)
    tensor[:height, :width] = cv2.resize(rgb, (width, height))
    return scale


def get_objects(interpreter: Any, threshold: float, scale: float) -> list[Object]:
    """Objects with boxes of whole pixels of the picture."""
    boxes, classes, scores, count = (
        interpreter.get_tensor(output["index"])[0] for output in interpreter.get_output_details()
    )
    _, height, width, _ = interpreter.get_input_details()[0]["shape"]
    found = []
    for number in range(int(count)):
        if scores[number] >= threshold:
            ymin, xmin, ymax, xmax = boxes[number]
            factors = (width / scale, height / scale, width / scale, height / scale)
            pixels = (int(side * by) for side, by in zip((xmin, ymin, xmax, ymax), factors, strict=True))
            found.append(Object(int(classes[number]), float(scores[number]), BBox(*pixels)))
    return found


def get_classes(interpreter: Any, top_k: int) -> list[Class]:
    """The best, from real scores of all."""
    output = interpreter.get_output_details()[0]
    scores = interpreter.get_tensor(output["index"]).flatten()
    if np.issubdtype(output["dtype"], np.integer):
        scale, zero_point = output["quantization"]
        scores = scale * (scores.astype(np.int64) - zero_point)
    found = [Class(int(i), float(scores[i])) for i in np.argpartition(scores, -top_k)[-top_k:]]
    return sorted(found, key=lambda one: one.score, reverse=True)


if __name__ == "__main__":
    main()
