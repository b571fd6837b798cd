"""Random YOLO networks as Ultralytics exports them: FOLDER PICTURE...; runs in an environment with ultralytics."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from ultralytics import YOLO

# Name, network, task, options of `export`.
EXPORTS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("detect-11", "yolo11n.yaml", "detect", {}),
    ("detect-11-int8", "yolo11n.yaml", "detect", {"quantize": 8}),
    ("detect-8-wide", "yolov8n.yaml", "detect", {"imgsz": [256, 320]}),
    ("detect-5", "yolov5n.yaml", "detect", {}),
    ("detect-10", "yolov10n.yaml", "detect", {}),
    ("detect-26", "yolo26n.yaml", "detect", {}),
    ("segment-8", "yolov8n-seg.yaml", "segment", {}),
    ("segment-26", "yolo26n-seg.yaml", "segment", {}),
    ("pose-11", "yolo11n-pose.yaml", "pose", {}),
    ("pose-26", "yolo26n-pose.yaml", "pose", {}),
    ("obb-11", "yolo11n-obb.yaml", "obb", {}),
    ("semantic-26", "yolo26n-sem.yaml", "semantic", {}),
)
SIZE = 320


def main() -> None:
    """Export what is not there yet."""
    folder, paths = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [cv2.resize(cv2.imread(path), (256, 256)) for path in paths]
    seen = torch.tensor(np.stack(pictures)[..., ::-1].transpose(0, 3, 1, 2) / 255, dtype=torch.float32)
    seen = torch.cat([seen, seen.flip(3), seen.flip(2)])
    for name, network, task, options in EXPORTS:
        if (folder / f"{name}.tflite").exists():
            continue
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            model = YOLO(network, task=task)
            torch.manual_seed(0)
            settle(model.model, seen)
            spread(model.model, seen)
            torch.save({"model": model.model, "train_args": {}}, "model.pt")
            said = {"imgsz": SIZE, "format": "litert", **options}
            if "quantize" in said:
                said["data"] = calibration(Path(scratch), paths)
            made = YOLO("model.pt").export(**said)
            shutil.copy(made, folder / f"{name}.tflite")
        print("exported", name, file=sys.stderr, flush=True)


def settle(network: Any, seen: torch.Tensor) -> None:
    """The means and deviations that normalisation layers would have after training."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 0.3
    network.train()
    with torch.no_grad():
        for _ in range(6):
            network(seen)


def spread(network: Any, seen: torch.Tensor) -> None:
    """Scores over 0..1, few of them high, and boxes of all sizes: the last convolutions are scaled and shifted."""
    head = network.model[-1]
    last: list[tuple[str, Any]] = []
    if hasattr(head, "classifier"):
        last.append(("map", head.classifier[-1]))
    for name, branches in head.named_children():
        if isinstance(branches, torch.nn.ModuleList) and ("cv" in name or "kpts" in name):
            last += [(name[-3:], convolutions(branch)[-1]) for branch in branches if convolutions(branch)]
    network.train()  # both heads of the end-to-end models run in training only
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    said: dict[int, torch.Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda layer, _in, out: said.update({id(layer): out.detach()})) for _, layer in last
    ]
    with torch.no_grad():
        network(seen)
        for hook in hooks:
            hook.remove()
        for what, layer in last:
            if id(layer) in said and layer.bias is not None:
                rescale(what, layer, said[id(layer)], getattr(head, "reg_max", 1))
    network.eval()


def convolutions(branch: Any) -> list[Any]:
    """All in it, in order."""
    return [layer for layer in branch.modules() if isinstance(layer, torch.nn.Conv2d)]


def rescale(what: str, layer: Any, said: torch.Tensor, bins: int) -> None:
    """`cv2` are boxes, `cv3` scores, the rest masks, keypoints, angles and maps."""
    mean, deviation = said.mean((0, 2, 3)), said.std((0, 2, 3)).clamp_min(1e-4)
    middle, width = torch.zeros_like(mean), 1.0
    if what == "cv3":
        middle, width = torch.randn_like(mean) - 7.5, 2.0
    elif what == "cv2" and bins > 1:
        middle, width = -((((torch.arange(len(mean)) % bins) - 5) / 3.0) ** 2), 1.5
    elif what == "cv2":
        middle, width = torch.full_like(mean, 4.0), 1.2
    factor = width / deviation
    layer.weight *= factor[:, None, None, None]
    layer.bias.copy_((layer.bias - mean) * factor + middle)


def calibration(folder: Path, paths: list[str]) -> str:
    """A data set of the pictures."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for number, path in enumerate(paths):
        shutil.copy(path, folder / "images" / f"{number}{Path(path).suffix}")
        (folder / "labels" / f"{number}.txt").write_text("0 .5 .5 .4 .4\n")
    names = "".join(f"  {number}: c{number}\n" for number in range(80))
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\nnames:\n{names}")
    return str(folder / "data.yaml")


if __name__ == "__main__":
    main()
