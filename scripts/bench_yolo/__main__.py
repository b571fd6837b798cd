"""What it costs to make objects of a YOLO output, with many candidates and few."""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from edge_infer.decode.yolo import YoloDecoder
from edge_infer.decode.yolo_find import find_layout
from edge_infer.decode.yolo_layout import Wanted
from edge_infer.types import Array, Geometry, TensorSpec

SIDE, CLASSES, CELLS = 640, 80, 8400
MIN_SCORE, IOU = 0.25, 0.7
EACH = 20  # calls a round
GEOMETRY = Geometry((1280, 1280), (SIDE, SIDE), scale=(0.5, 0.5))
# Candidates, and objects that they belong to; of a crowd all are of one class.
SCENES = {
    "none": (0, 0),
    "10": (10, 10),
    "50": (50, 12),
    "300": (300, 40),
    "300 apart": (300, 300),
    "crowd": (900, 150),
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-yolo")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--rounds", type=int, default=20, metavar="N")
    args = parser.parse_args()
    rows = [
        measure(name, dtype, last, args.rounds) for name in SCENES for dtype in ("int8", "float32") for last in (0, 1)
    ]
    if args.json:
        print(json.dumps({"yolo": rows}))
        return 0
    for row in rows:
        print(
            f"{row['scene']:<10} {row['type']:<8} {row['shape']:<14} {row['objects']:>4} objects  "
            f"{row['ms']:7.3f} ms, dequantised first {row['first_ms']:7.3f} ms: {row['ratio']:5.1f} times as long"
        )
    return 0


def measure(scene: str, dtype: str, last: int, rounds: int) -> dict[str, Any]:
    """Medians of both ways."""
    real = output_of(*SCENES[scene], one_class=scene == "crowd")
    scale, zero = float(real.max()) / 255, -128
    stored = np.round(real / scale + zero).astype(np.int8) if dtype == "int8" else real
    output = np.ascontiguousarray(stored.T if last else stored)[None]
    quantisation: tuple[Any, Any] = ((scale,), (zero,)) if dtype == "int8" else ((), ())
    spec = TensorSpec("out", output.shape, output.dtype, *quantisation)
    layout = find_layout([spec], Wanted("detect", (SIDE, SIDE), CLASSES), "a model")
    decode = YoloDecoder([spec], layout, ())
    ways: dict[str, Callable[[], int]] = {
        "ours": lambda: len(decode([output], GEOMETRY)),
        "first": lambda: dequantised_first(spec, output, bool(last)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name] += timed(way)
    ours, first = (statistics.median(times[name]) * 1e3 for name in ("ours", "first"))
    return {
        "scene": scene,
        "type": dtype,
        "shape": f"1, {output.shape[1]}, {output.shape[2]}",
        "objects": ways["ours"](),
        "ms": round(ours, 3),
        "first_ms": round(first, 3),
        "ratio": round(first / ours, 2),
    }


def timed(way: Callable[[], int]) -> list[float]:
    """Seconds of each call; the first is left out."""
    times = []
    for _ in range(EACH + 1):
        started = time.perf_counter()
        way()
        times.append(time.perf_counter() - started)
    return times[1:]


def output_of(candidates: int, objects: int, *, one_class: bool) -> Array:
    """`(84, 8400)` real values: each object has its candidates, which differ by a pixel or two."""
    random = np.random.default_rng(1)
    out = np.zeros((4 + CLASSES, CELLS), np.float32)
    out[:4] = random.uniform(0.05, 1.0, (4, CELLS))
    out[4:] = random.uniform(0.0, 0.02, (CLASSES, CELLS))
    if candidates:
        side = int(np.ceil(np.sqrt(objects)))
        middles = (np.stack(np.divmod(np.arange(objects), side), axis=1) + 0.5) / side
        classes = np.zeros(objects, int) if one_class else random.integers(0, CLASSES, objects)
        which = np.arange(candidates) % objects
        cells = random.choice(CELLS, candidates, replace=False)
        out[:2, cells] = middles[which].T + random.normal(0, 0.01 / side, (2, candidates))
        out[2:4, cells] = 0.8 / side
        out[4 + classes[which], cells] = random.uniform(0.3, 0.95, candidates)
    return out


def dequantised_first(spec: TensorSpec, output: Array, last: bool) -> int:
    """The usual way: everything becomes real numbers, then pixels, then what is too low goes."""
    rows = spec.real(output)[0]
    rows = rows if last else rows.T
    boxes, scores = rows[:, :4] * SIDE, rows[:, 4:]
    class_ids, best = scores.argmax(axis=1), scores.max(axis=1)
    keep = best >= MIN_SCORE
    boxes, best, class_ids = boxes[keep], best[keep], class_ids[keep]
    boxes[:, :2] -= boxes[:, 2:] / 2
    kept = cv2.dnn.NMSBoxesBatched(boxes, best, class_ids, MIN_SCORE, IOU)
    return len(kept)


if __name__ == "__main__":
    raise SystemExit(main())
