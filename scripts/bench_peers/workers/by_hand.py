"""A model as a capable developer calls it: OpenCV, the runtime's interpreter, numpy."""

from typing import Any

import cv2
import numpy as np

from bench_peers.workers import by_hand_yolo
from bench_peers.workers.turns import MIN_SCORE, TOP_K, Given, Said

try:
    from ai_edge_litert.interpreter import Interpreter

    RUNTIME = "ai-edge-litert"
except ImportError:
    from tflite_runtime.interpreter import Interpreter

    RUNTIME = "tflite-runtime"
PACKAGES = (RUNTIME, "numpy", "opencv-python-headless", "paho-mqtt")


class ByHand:
    """One interpreter, for one thread."""

    def __init__(self, given: Given) -> None:
        self.interpreter = Interpreter(model_path=given.model, num_threads=given.options.get("num_threads", 1))
        self.interpreter.allocate_tensors()
        self.place = self.interpreter.get_input_details()[0]
        self._outputs = self.interpreter.get_output_details()
        self._labels = given.labels
        ways = {"classify": self._classes, "ssd": self._objects, "yolo": self._cells, "raw": self._largest}
        self._decode = ways[given.kind]
        self._yolo = given.kind == "yolo"
        self._placed: tuple[float, tuple[int, int]] = (1.0, (0, 0))  # scale and padding of a letterbox

    def prepare(self, frame: Any) -> Any:
        """The input tensor."""
        if self._yolo:
            return self._letterboxed(frame)
        _, height, width, _ = self.place["shape"]
        rgb = cv2.cvtColor(cv2.resize(frame, (width, height)), cv2.COLOR_BGR2RGB)[None]
        if self.place["dtype"] == np.uint8:
            return rgb
        if self.place["dtype"] == np.int8:
            return (rgb.astype(np.int16) - 128).astype(np.int8)
        return rgb.astype(np.float32) / 127.5 - 1.0

    def _letterboxed(self, frame: Any) -> Any:
        first = self.place["shape"][1] == 3  # channels
        height, width = self.place["shape"][2:] if first else self.place["shape"][1:3]
        rgb, scale, pad = by_hand_yolo.letterbox(frame, width, height)
        self._placed = scale, pad
        real = rgb.astype(np.float32) / 255
        if self.place["dtype"] != np.float32:
            step, zero = self.place["quantization"]
            real = np.round(real / step + zero).astype(self.place["dtype"])
        return (real.transpose(2, 0, 1) if first else real)[None]

    def run(self, tensor: Any) -> None:
        """Ask the model."""
        self.interpreter.set_tensor(self.place["index"], tensor)
        self.interpreter.invoke()

    def decode(self, size: tuple[int, int]) -> Said:
        """What it said of a frame of (width, height)."""
        return self._decode(size)

    def __call__(self, frame: Any) -> Said:
        """All of it."""
        self.run(self.prepare(frame))
        return self.decode((frame.shape[1], frame.shape[0]))

    def _classes(self, size: tuple[int, int]) -> Said:
        output = self._outputs[0]
        values = self.interpreter.get_tensor(output["index"])[0]
        scale, zero = output["quantization"] if output["quantization"][0] else (1.0, 0)
        best = np.argpartition(values, -TOP_K)[-TOP_K:]
        best = best[np.argsort(values[best])[::-1]]
        return [{"label": self._labels[i], "score": (int(values[i]) - zero) * scale} for i in best]

    def _objects(self, size: tuple[int, int]) -> Said:
        boxes, classes, scores, _ = (self.interpreter.get_tensor(output["index"])[0] for output in self._outputs)
        return described(boxes, classes, scores, self._labels, size)

    def _cells(self, size: tuple[int, int]) -> Said:
        output, shape = self._outputs[0], [int(side) for side in self.place["shape"] if side not in (1, 3)]
        values = self.interpreter.get_tensor(output["index"])[0]
        found = by_hand_yolo.objects(values, output["quantization"], (shape[1], shape[0]))
        return by_hand_yolo.described(found, self._labels, self._placed, size)

    def _largest(self, size: tuple[int, int]) -> Said:
        values = self.interpreter.get_tensor(self._outputs[-1]["index"]).ravel()
        best = np.argsort(values)[::-1][:TOP_K]
        return [{"label": str(i), "score": float(values[i])} for i in best]


def described(boxes: Any, classes: Any, scores: Any, labels: tuple[str, ...], size: tuple[int, int]) -> Said:
    """Objects of `(n, 4)` top, left, bottom, right as shares of the frame."""
    width, height = size
    found: Said = []
    for (top, left, bottom, right), number, score in zip(boxes, classes, scores, strict=True):
        if score >= MIN_SCORE:
            box = [float(left * width), float(top * height), float(right * width), float(bottom * height)]
            found.append({"label": labels[int(number)], "score": float(score), "box": box})
    return found
