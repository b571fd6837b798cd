"""Outputs as models of each kind give them, of an empty scene and of one with a few objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from bench_yolo.__main__ import output_of

from edge_infer.decode.anchors import efficientdet_anchors, pyramid_anchors
from edge_infer.decode.anomaly import AnomalyDecoder
from edge_infer.decode.blazeface import BlazeFaceDecoder
from edge_infer.decode.centernet import CenterNetDecoder
from edge_infer.decode.centernet import Heads as CenterNetHeads
from edge_infer.decode.classify import ClassifyDecoder
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.embedding import EmbeddingDecoder
from edge_infer.decode.gallery import Gallery
from edge_infer.decode.heatmap_fomo import FomoDecoder
from edge_infer.decode.landmarks import LandmarksDecoder
from edge_infer.decode.movenet import MoveNetDecoder, MoveNetMultiDecoder
from edge_infer.decode.posenet import PoseNetDecoder
from edge_infer.decode.posenet_fields import Heads as PoseNetHeads
from edge_infer.decode.regress import RegressDecoder
from edge_infer.decode.segment import SegmentDecoder
from edge_infer.decode.ssd_raw import BoxCoder, Level, RawSsdDecoder
from edge_infer.decode.yolo import YoloDecoder
from edge_infer.decode.yolo_find import find_layout
from edge_infer.decode.yolo_layout import Wanted
from edge_infer.types import Array, Geometry, Size, TensorSpec

FRAME = (1280, 720)


@dataclass(frozen=True)
class Case:
    """One decoder and what it is given; `outputs` are its own, as a runtime hands them over."""

    name: str
    decode: Decoder
    outputs: Sequence[Array]
    geometry: Geometry


def cases() -> Iterator[Case]:
    """All of them."""
    for objects in (0, 5):
        for make in (blazeface, ssd_raw, efficientdet, centernet, posenet, movenet_multi, fomo, yolo):
            yield from make(objects)
    for make_one in (movenet, landmarks, segment, classify, embed, numbers):
        yield from make_one()


def geometry(size: Size) -> Geometry:
    """A frame that was stretched."""
    return Geometry(FRAME, size, scale=(size[0] / FRAME[0], size[1] / FRAME[1]))


def stored(real: Array, name: str = "out", *, low: float, high: float, dtype: str = "int8") -> tuple[TensorSpec, Array]:
    """Real values as a quantised output has them that spans `low` to `high`; as they are where `dtype` is float32."""
    if dtype == "float32":
        return TensorSpec(name, real.shape, np.dtype(np.float32)), real.astype(np.float32)
    scale = (high - low) / 255
    spec = TensorSpec(name, real.shape, np.dtype(dtype), (scale,), (round(np.iinfo(dtype).min - low / scale),))
    return spec, spec.stored(real)


def blazeface(objects: int) -> Iterator[Case]:
    """Full range: 2304 cells."""
    random = np.random.default_rng(1)
    logits, raw = random.uniform(-12, -4, (1, 2304, 1)), random.normal(0, 3, (1, 2304, 16))
    for cell in random.choice(2304, objects, replace=False):
        logits[0, cell], raw[0, cell, 2:4] = 3.0, 40.0
    for dtype in ("int8", "float32"):
        pairs = [stored(raw, low=-50, high=50, dtype=dtype), stored(logits, low=-12, high=6, dtype=dtype)]
        specs, outputs = zip(*pairs, strict=True)
        yield Case(
            f"blazeface {dtype}, {objects} faces", BlazeFaceDecoder(specs, (192, 192)), outputs, geometry((192, 192))
        )


def ssd_raw(objects: int) -> Iterator[Case]:
    """With a feature pyramid: 12804 anchors, 90 classes."""
    yield from _anchored("ssd-raw fpn", pyramid_anchors((320, 320)), 90, objects, (320, 320))


def efficientdet(objects: int) -> Iterator[Case]:
    """D0 at 320: 19206 anchors, 90 classes."""
    anchors = np.concatenate(efficientdet_anchors((320, 320), 4.0))
    yield from _anchored("efficientdet", anchors, 90, objects, (320, 320))


def _anchored(name: str, anchors: Array, classes: int, objects: int, size: Size) -> Iterator[Case]:
    random = np.random.default_rng(1)
    logits = random.uniform(-9, -4, (1, len(anchors), classes)).astype(np.float32)
    raw = random.normal(0, 1, (1, len(anchors), 4)).astype(np.float32)
    for anchor in random.choice(len(anchors), objects, replace=False):
        logits[0, anchor, random.integers(classes)] = 2.0
    for dtype in ("int8", "float32"):
        pairs = [stored(raw, low=-6, high=6, dtype=dtype), stored(logits, low=-9, high=4, dtype=dtype)]
        specs, outputs = zip(*pairs, strict=True)
        decode = RawSsdDecoder(
            specs, [Level(0, 1, anchors)], range(classes), (), coder=BoxCoder(), activation="sigmoid"
        )
        yield Case(f"{name} {dtype}, {objects} objects", decode, outputs, geometry(size))


def centernet(objects: int) -> Iterator[Case]:
    """A grid of 128x128, 80 classes."""
    random = np.random.default_rng(1)
    heat = random.uniform(-9, -4, (1, 128, 128, 80)).astype(np.float32)
    for _ in range(objects):
        heat[0, random.integers(128), random.integers(128), random.integers(80)] = 2.0
    pairs = random.uniform(2, 20, (1, 128, 128, 2)), random.uniform(0, 1, (1, 128, 128, 2))
    for dtype in ("int8", "float32"):
        given = [
            stored(heat, low=-9, high=4, dtype=dtype),
            stored(pairs[0], low=0, high=20, dtype=dtype),
            stored(pairs[1], low=0, high=1, dtype=dtype),
        ]
        specs, outputs = zip(*given, strict=True)
        decode = CenterNetDecoder(specs, CenterNetHeads(0, 1, 2), (), logits=True)
        yield Case(f"centernet {dtype}, {objects} objects", decode, outputs, geometry((512, 512)))


def posenet(objects: int) -> Iterator[Case]:
    """A grid of 23x31."""
    random = np.random.default_rng(1)
    heat = random.uniform(-9, -4, (1, 23, 31, 17)).astype(np.float32)
    for _ in range(objects):
        heat[0, random.integers(23), random.integers(31), random.integers(17)] = 2.0
    offset, moves = random.normal(0, 20, (1, 23, 31, 34)), random.normal(0, 40, (1, 23, 31, 64))
    given = [
        stored(heat, low=-9, high=4, dtype="uint8"),
        stored(offset, low=-80, high=80, dtype="uint8"),
        stored(moves, low=-200, high=200, dtype="uint8"),
    ]
    specs, outputs = zip(*given, strict=True)
    decode = PoseNetDecoder(specs, PoseNetHeads(0, 1, 2, 2), logits=True, min_score=0.0)
    yield Case(f"posenet uint8, {objects} persons", decode, outputs, geometry((481, 353)))


def movenet_multi(objects: int) -> Iterator[Case]:
    """Up to six persons."""
    people = np.random.default_rng(1).uniform(0, 0.2, (1, 6, 56)).astype(np.float32)
    people[0, :objects, -1] = 0.9
    spec, output = stored(people, low=0, high=1, dtype="float32")
    yield Case(f"movenet-multi float32, {objects} persons", MoveNetMultiDecoder(spec), [output], geometry((256, 256)))


def fomo(objects: int) -> Iterator[Case]:
    """A grid of 20x20, 3 classes."""
    random = np.random.default_rng(1)
    grid = random.uniform(0, 0.2, (1, 20, 20, 4)).astype(np.float32)
    for _ in range(objects):
        grid[0, random.integers(20), random.integers(20), random.integers(1, 4)] = 0.9
    spec, output = stored(grid, low=0, high=1)
    yield Case(f"fomo int8, {objects} things", FomoDecoder(spec, ("a", "b", "c")), [output], geometry((160, 160)))


def yolo(objects: int) -> Iterator[Case]:
    """8400 cells, 80 classes."""
    for dtype in ("int8", "float32"):
        spec, output = stored(output_of(10 * objects, objects, one_class=False)[None], low=0, high=1, dtype=dtype)
        layout = find_layout([spec], Wanted("detect", (640, 640), 80), "a model")
        yield Case(f"yolo {dtype}, {objects} objects", YoloDecoder([spec], layout, ()), [output], geometry((640, 640)))


def movenet() -> Iterator[Case]:
    """One person."""
    spec, output = stored(np.random.default_rng(1).uniform(0, 1, (1, 1, 17, 3)), low=0, high=1, dtype="float32")
    yield Case("movenet float32", MoveNetDecoder(spec), [output], geometry((192, 192)))


def landmarks() -> Iterator[Case]:
    """A body with its heat map, a hand."""
    random = np.random.default_rng(1)
    flag = stored(np.full((1, 1), 0.9), low=0, high=1, dtype="float32")
    body = stored(random.uniform(20, 230, (1, 195)), low=0, high=256, dtype="float32")
    heat = stored(random.uniform(-9, 2, (1, 64, 64, 39)), low=-9, high=4, dtype="float32")
    hand = stored(random.uniform(20, 200, (1, 63)), low=0, high=256, dtype="float32")
    for name, given in (("body", [body, flag, heat]), ("hand", [hand, flag])):
        specs, outputs = zip(*given, strict=True)
        yield Case(f"landmarks float32, {name}", LandmarksDecoder(specs), outputs, geometry((256, 256)))


def segment() -> Iterator[Case]:
    """Class ids, scores of 21 classes, scores of one."""
    random = np.random.default_rng(1)
    ids = random.integers(0, 21, (1, 513, 513))
    yield _segment("ids int64 513", TensorSpec("ids", ids.shape, ids.dtype), ids, 21)
    for dtype in ("int8", "float32"):
        for count in (2, 21):
            spec, output = stored(random.normal(0, 2, (1, 257, 257, count)), low=-8, high=8, dtype=dtype)
            yield _segment(f"{count} classes {dtype} 257", spec, output, count)
        spec, output = stored(random.uniform(0, 1, (1, 256, 256, 1)), low=0, high=1, dtype=dtype)
        yield _segment(f"one score {dtype} 256", spec, output, 2)


def _segment(name: str, spec: TensorSpec, output: Array, count: int) -> Case:
    decode = SegmentDecoder(spec, output.shape, [str(number) for number in range(count)])
    return Case(f"segment {name}", _Reduced(decode), [output], geometry((output.shape[2], output.shape[1])))


class _Reduced:
    """The reduction that is done in the runtime, and the decoder."""

    task = "segment"

    def __init__(self, decode: SegmentDecoder) -> None:
        self._decode = decode

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> object:
        return self._decode([self._decode.class_ids(outputs[0])], geometry)


def classify() -> Iterator[Case]:
    """1001 classes."""
    scores = np.random.default_rng(1).dirichlet(np.ones(1001))[None]
    for dtype in ("uint8", "float32"):
        spec, output = stored(scores, low=0, high=1, dtype=dtype)
        yield Case(f"classify {dtype}", ClassifyDecoder(spec, ()), [output], geometry((224, 224)))


def embed() -> Iterator[Case]:
    """1024 numbers, compared with 1000 pictures of 20 labels."""
    random = np.random.default_rng(1)
    vectors = random.normal(0, 1, (1000, 1024)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = Gallery(vectors, tuple(f"label {i % 20}" for i in range(1000)), ("",) * 1000, ())
    spec, output = stored(random.normal(0, 1, (1, 1024)), low=-4, high=4)
    for name, known in (("", None), (", gallery of 1000", gallery)):
        yield Case(f"embed int8{name}", EmbeddingDecoder(spec, known), [output], geometry((224, 224)))


def numbers() -> Iterator[Case]:
    """A few numbers."""
    spec, output = stored(np.array([[0.5, 0.25]]), low=0, high=1)
    yield Case("regress int8", RegressDecoder([spec], 2, ("a", "b"), ()), [output], geometry((64, 64)))
    yield Case("anomaly int8", AnomalyDecoder(spec, 1.0), [output], geometry((64, 64)))
