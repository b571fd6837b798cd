"""Whatever numbers a model gives: what is reported lies in its limits, and nothing breaks."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.model_file import ModelFile
from edge_infer.draw import draw
from edge_infer.kinds.registry import HOMES, built_in, kind_of
from edge_infer.prepare.image import ImageOptions, fit
from edge_infer.recipe import make_recipe
from edge_infer.types import Detections, Keypoints, Mask, ModelId, Prediction, Result, TensorSpec
from edge_infer.wire.results import to_wire

SIZE = (128, 96)
CELLS = sum((SIZE[0] // stride) * (SIZE[1] // stride) for stride in (8, 16, 32))
H, W, C = SIZE[1] // 8, SIZE[0] // 8, 3
SQUARE = (128, 128)
LEVELS = [(math.ceil(128 / 2**level),) * 2 for level in range(3, 8)]
LAYOUTS: list[tuple[str, tuple[int, int], list[tuple[int, ...]]]] = [
    ("yolo", SIZE, [(1, 4 + C, CELLS)]),
    ("yolo", SIZE, [(1, CELLS * 3, 5 + C)]),
    ("yolo", SIZE, [(1, 300, 6)]),
    ("yolo", SIZE, [(1, 4, CELLS), (1, C, CELLS)]),
    ("yolo", SIZE, [(1, SIZE[1] // stride, SIZE[0] // stride, 64 + C) for stride in (8, 16, 32)]),
    ("yolo-segment", SIZE, [(1, 4 + C + 32, CELLS), (1, SIZE[1] // 4, SIZE[0] // 4, 32)]),
    ("yolo-pose", SIZE, [(1, 4 + C + 51, CELLS)]),
    ("yolo-obb", SIZE, [(1, 5 + C, CELLS)]),
    ("classify", SIZE, [(1, C)]),
    ("classify", SIZE, [(1, 1, 1, C)]),
    ("blazeface", SQUARE, [(1, 896, 16), (1, 896, 1)]),
    ("movenet", SIZE, [(1, 1, 17, 3)]),
    ("movenet-multi", SIZE, [(1, 6, 56)]),
    ("posenet", SIZE, [(1, H, W, 17), (1, H, W, 34), (1, H, W, 64)]),
    ("landmarks", SIZE, [(1, 195), (1, 1)]),
    ("fomo", SIZE, [(1, H, W, 1 + C)]),
    ("segment", SIZE, [(1, *SIZE[::-1], C)]),
    ("segment", SIZE, [(1, *SIZE[::-1], 1)]),
    ("ssd-raw", (300, 300), [(1, 1917, 4), (1, 1917, C)]),
    ("efficientdet", SQUARE, [(1, *level, 9 * C) for level in LEVELS] + [(1, *level, 36) for level in LEVELS]),
    ("embed", SIZE, [(1, 64)]),
    ("regress", SIZE, [(1, 4)]),
    ("tensors", SIZE, [(1, 4), (2, 3)]),
]
NAMES = [f"{kind} {shapes[0]}" for kind, _, shapes in LAYOUTS]
VALUES = ["scores", "pixels", "logits", "huge", "infinite", "int8", "uint8", "zero"]


def specs_of(shapes: Sequence[tuple[int, ...]], values: str) -> list[TensorSpec]:
    stored = values if values in ("int8", "uint8") else "float32"
    quantization: dict[str, Any] = {"scale": (1 / 255,), "zero_point": (0,)} if stored != "float32" else {}
    return [TensorSpec(f"output_{i}", shape, np.dtype(stored), **quantization) for i, shape in enumerate(shapes)]


def made(spec: TensorSpec, values: str, random: np.random.Generator) -> np.ndarray:
    if spec.dtype.kind != "f":
        limits = np.iinfo(spec.dtype)
        return random.integers(limits.min, limits.max, spec.shape, endpoint=True).astype(spec.dtype)
    spread = {"scores": 1, "pixels": 200, "logits": 8, "huge": 1e30, "infinite": 8, "zero": 0}[values]
    numbers = random.random(spec.shape) if values in ("scores", "pixels") else random.standard_normal(spec.shape)
    numbers = (numbers * spread).astype(np.float32)
    if values == "infinite":
        numbers[random.random(spec.shape) < 0.2] = np.inf
        numbers[random.random(spec.shape) < 0.2] = -np.inf
    return numbers


def check(prediction: Prediction, size: tuple[int, int]) -> None:
    scores = getattr(prediction, "scores", np.zeros(0))
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    if isinstance(prediction, Detections):
        assert np.isfinite(prediction.boxes).all()
        assert (prediction.boxes >= 0).all()
        assert (prediction.boxes <= np.array(size * 2)).all()
        assert (np.diff(prediction.scores) <= 0).all()
    if isinstance(prediction, Keypoints):
        assert np.isfinite(prediction.points).all()
    if isinstance(prediction, Mask):
        assert prediction.class_map.shape == size[::-1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize(("kind", "size", "shapes"), LAYOUTS, ids=NAMES)
def test_what_is_reported_lies_in_its_limits(
    kind: str, size: tuple[int, int], shapes: list[tuple[int, ...]], values: str
) -> None:
    specs = specs_of(shapes, values)
    picture = TensorSpec("image", (1, size[1], size[0], 3), np.dtype(np.uint8))
    path = Path("m.tflite")
    file = ModelFile(path, 0, "", (picture,), tuple(specs), (), frozenset(), ("",) * len(specs), {}, {}, {}, 0)
    bundle = Bundle(name="m", version="", cpu=path, edgetpu=None, sha256={})
    recipe = make_recipe(bundle, file, Prepare(), Decode(kind=kind), [f"c{i}" for i in range(C)])
    decoder = kind_of(kind).build(recipe, specs, shapes)
    reduce = getattr(decoder, "reduce", {})
    random = np.random.default_rng(7)
    for resize in ("stretch", "letterbox"):
        frame = (211, 97)
        geometry = fit(frame, frame, (0, 0), size, replace(ImageOptions(), resize=resize))
        outputs = [reduce.get(i, np.copy)(made(spec, values, random)) for i, spec in enumerate(specs)]
        prediction = decoder(outputs, geometry)
        if kind != "tensors":
            check(prediction, frame)
        result = Result("s", 0, 0.0, 0, frame, recipe.task, ModelId("m", "", ""), "cpu", prediction)
        assert msgspec.json.encode(to_wire(result))
        assert draw(np.zeros((*frame[::-1], 3), np.uint8), result).shape == (*frame[::-1], 3)


def test_all_kinds_are_tried_but_those_that_need_more_than_shapes() -> None:
    others = {"ssd", "centernet", "posenet-op", "yolox", "yolo-classify", "yolo-semantic", "yolov5-classify"}
    others |= {"wake-word", "yamnet"}  # of sound
    others |= {"anomaly"}  # a threshold
    assert {kind.name for kind in built_in()} == {kind for kind, _, _ in LAYOUTS} | others


def test_each_kind_is_where_it_is_looked_for() -> None:
    assert [kind.name for kind in built_in()] == list(HOMES)
