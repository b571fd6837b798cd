"""What Ultralytics' `predict` says of PICTURE... with each model of FOLDER: NAME.npz beside the model.

Equal scores are taken in the order in which they stand, and pixels are rounded: Ultralytics sorts them in any order,
and cuts what is behind the point (a sixth of the pixels of an int8 input is one too low or too high for that).
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from ultralytics import YOLO


def main() -> None:
    """Ask, and keep the answers."""
    torch.argsort = stable  # type: ignore[assignment]
    torch.Tensor.argsort = stable  # type: ignore[assignment,method-assign]
    for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
        model = YOLO(str(path), task=path.stem.split("-")[0])
        said: dict[str, Any] = {}
        for number, picture in enumerate(sys.argv[2:]):
            found = model.predict(cv2.imread(picture), conf=0.25, iou=0.7, retina_masks=True, verbose=False)[0]
            for part in ("boxes", "masks", "keypoints", "obb", "semantic_mask"):
                value = getattr(found, part, None)
                if value is not None:
                    said[f"{part}{number}"] = np.asarray(value.data.cpu())
            said[f"size{number}"] = np.asarray(found.orig_shape[::-1])
            if found.obb is not None:
                said[f"corners{number}"] = found.obb.xyxyxyxy.cpu().numpy()
        np.savez_compressed(path.with_suffix(".npz"), **said)
        print("asked", path.stem, file=sys.stderr, flush=True)


def stable(values: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Of equal values the first first."""
    return torch.sort(values, dim=dim, descending=descending, stable=True).indices


if __name__ == "__main__":
    main()
