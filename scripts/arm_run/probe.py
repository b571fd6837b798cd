"""Run on the board: what it has, whether the shipped model says what it should, and what the runtime said of itself.

Prints one JSON object.
"""

import json
import logging
import platform
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
import numpy as np

from edge_infer.bundle.bundle import open_bundle
from edge_infer.golden import golden_problems
from edge_infer.loading import load
from edge_infer.runtime.libraries import find_library
from edge_infer.sources.images import read_image

INFERENCES = 11
XNNPACK = "Created TensorFlow Lite XNNPACK delegate"


class Said(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main(folder: Path) -> None:
    said = Said()
    logging.basicConfig(level=logging.DEBUG, handlers=[said])
    frame = read_image(folder / "sample.jpg")
    with load(folder, device="cpu") as model:
        problems = golden_problems(open_bundle(folder), model)
        faces = len(model(frame))
        took_ms = []
        for _ in range(INFERENCES):
            began = time.perf_counter()
            model(frame)
            took_ms.append((time.perf_counter() - began) * 1e3)
    answer = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "runtime": str(find_library()),
        "libraries": {"numpy": np.__version__, "opencv": cv2.__version__} | {name: _version(name) for name in OTHERS},
        "xnnpack": any(XNNPACK in line for line in said.lines),
        "golden_problems": problems,
        "faces": faces,
        "p50_ms": round(statistics.median(took_ms), 1),
    }
    print(json.dumps(answer))


OTHERS = ("paho-mqtt", "PyYAML", "msgspec")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
