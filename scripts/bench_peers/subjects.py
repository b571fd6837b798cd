"""What all are compared with: models, with what a program by hand must know of them, and single steps."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_yolo.__main__ import output_of

from edge_infer import load
from edge_infer.bundle.bundle import open_bundle
from edge_infer.errors import UsageError

NAMES = (
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v2_1.0_224_quant",
    "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29",
)
EXPORTED = "detect-11-int8.tflite"
SHIPPED = Path(__file__).resolve().parents[2] / "models" / "face-detection"


STEPS = ("letterbox", "decode")
SCENE = (50, 12)  # candidates above the threshold, and objects that they belong to: a street


@dataclass(frozen=True)
class Subject:
    """A model; `kind` as `Given` has it."""

    name: str
    given: str  # to edge_infer
    file: str  # to all others
    kind: str
    labels: tuple[str, ...]


def subjects(wanted: Sequence[str], testdata: Path, scratch: Path) -> list[Subject]:
    """Those that are wanted (files, steps, or parts of names); else all.

    Raises:
        UsageError: there is no such model.
    """
    there = _models(testdata)
    found: list[Subject] = []
    for name in wanted or [*(path.stem for path in there), *STEPS]:
        if name in STEPS:
            found.append(_step(name, scratch))
            continue
        paths = [Path(name)] if Path(name).exists() else [path for path in there if name in path.stem]
        if not paths:
            names = ", ".join([*(path.stem for path in there), *STEPS])
            raise UsageError(f"there is no model {name}: give a file, or a part of one of these names: {names}")
        found += [_model(path) for path in paths]
    return found


def _models(testdata: Path) -> list[Path]:
    """Those of the test data, or the one that ships; and one of Ultralytics, where scripts/compare-peers made it."""
    usual = [testdata / "models" / f"{name}.tflite" for name in NAMES]
    exported = Path(os.environ.get("TMPDIR", tempfile.gettempdir())) / "edge-infer-peers" / "models" / EXPORTED
    return [*([path for path in usual if path.is_file()] or [SHIPPED]), *([exported] if exported.is_file() else [])]


def _model(path: Path) -> Subject:
    """One model, asked what it is."""
    with load(path, device="cpu") as model:
        decoder = model.recipe.kind
        kind = decoder if decoder in ("classify", "ssd", "yolo") else "raw"
        return Subject(path.stem, str(path), str(open_bundle(path).path), kind, model.recipe.labels)


def _step(name: str, scratch: Path) -> Subject:
    """A step alone; of decoding, the output that is decoded."""
    file = scratch / "output.npz"
    if name == "decode":
        real = output_of(*SCENE, one_class=False)
        scale, zero_point = float(real.max()) / 255, -128
        stored = np.round(real / scale + zero_point).astype(np.int8)[None]
        np.savez(file, output=stored, scale=scale, zero_point=zero_point)
    return Subject(name, str(file), str(file), name, ())
