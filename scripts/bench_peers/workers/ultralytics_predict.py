"""Ultralytics' own `predict` of its own export, published with paho."""

import importlib
import os
import sys
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

os.environ |= {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
from ultralytics import YOLO  # type: ignore[import-not-found]
from ultralytics.utils.nms import TorchNMS  # type: ignore[import-not-found]

from bench_peers.workers.publishing import Publishing
from bench_peers.workers.turns import MIN_SCORE, Given, Said, Turns


def main() -> None:
    given = Given.from_arguments()
    turns = Turns(given)
    see_to_torchvision()
    packages = ["ultralytics", "torch", "ai-edge-litert", "numpy", "paho-mqtt"]
    turns.work([partial(run, turns, YOLO(given.model, task="detect"), Publishing(turns))], packages)


def see_to_torchvision() -> None:
    """One that was built for CUDA does not load beside a torch without: Ultralytics' own suppression replaces it."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        stand_in = ModuleType("torchvision")
        stand_in.__dict__["ops"] = SimpleNamespace(nms=TorchNMS.nms)
        sys.modules["torchvision"] = stand_in


def run(turns: Turns, model: Any, publishing: Publishing) -> None:
    """Until the last turn."""
    while True:
        number, frame = turns.read()
        found = model.predict(frame, conf=MIN_SCORE, verbose=False)[0]
        publishing.send(number, turns.say(number, described(found)))


def described(found: Any) -> Said:
    """All its boxes."""
    rows = found.boxes.data.tolist()
    return [{"label": found.names[int(row[5])], "score": row[4], "box": row[:4]} for row in rows]


if __name__ == "__main__":
    main()
