"""Makes models/activity: trains it where TensorFlow is, holds int8 against float, and only then writes."""

import hashlib
import platform
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from build_models import activity_golden, basic_motions
from build_models.basic_motions import CHANNELS, LABELS, RATE_HZ, STEPS, Cases
from edge_infer.golden.making import make_golden
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.types import Array, Classes, Frame, Span

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/models"
BUNDLE = ROOT / "models/activity"
TRAINED = CACHE / "activity"  # float-SEED.tflite and int8-SEED.tflite
FLOAT = TRAINED / "float"  # the bundle that does not ship
SEEDS = range(10)
SHIPPED = 0  # the first seed, chosen before any was tried
LIMIT = 6.0  # standard deviations: beyond that a value is cut off, or single blows would take int8's few steps
MAX_DISAGREEMENTS = 1  # of int8 with float, on all cases
# Without oneDNN the same bytes come out each time (measured on one machine).
QUIET = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
MANIFEST = """schema: edge-infer/bundle@1
name: activity
version: 1.0.0
sequence: 1
task: classify
license: Apache-2.0 (the model; nobody states one for the data that it was trained on, see MODEL_CARD.md)
source:
  package: aeon
  version: {version}
  file: {source}
  sha256: {source_sha256}
  note: trained on BasicMotions of the UEA archive by scripts/build-models, quantised by TensorFlow
model: {{file: model.tflite, sha256: {model_sha256}}}
preprocess:
  input: series
  rate_hz: {rate:g}
  overlap: 0.5
  channels: [{channels}]
  mean: {mean}
  std: {std}
decode: {{kind: classify, activation: none}}
labels: labels.txt
golden: {{file: golden.npz, compare: classes}}
"""


def build() -> int:
    data = basic_motions.fetch(CACHE)
    train, test = basic_motions.cases(data, "TRAIN"), basic_motions.cases(data, "TEST")
    mean, std = ([float(f"{value:.3g}") for value in act(train[0], axis=(0, 1))] for act in (np.mean, np.std))
    _train(train, mean, std)
    rows = {name: [_right(f"{name}-{seed}", test, mean, std) for seed in SEEDS] for name in ("float", "int8")}
    for name, right in rows.items():
        print(f"{name:<5} right of {len(test[0])} by seed: {right}, mean {np.mean(right) / len(test[0]):.4f}")
    everything = np.concatenate([train[0], test[0]])
    said = [_said(f"{name}-{SHIPPED}", everything, mean, std) for name in ("float", "int8")]
    apart = sum(a != b for a, b in zip(*said, strict=True))
    print(f"int8 and float differ on {apart} of {len(everything)} cases")
    if apart > MAX_DISAGREEMENTS:
        print(f"refused, nothing was written: more than {MAX_DISAGREEMENTS}", file=sys.stderr)
        return 65
    _write(data, mean, std)
    return 0


def windows(data: Array, channels: tuple[str, ...] = CHANNELS) -> Iterable[Frame]:
    """Each `(samples, channels)` as a sensor would give it."""
    for number, samples in enumerate(data):
        span = Span(number * STEPS, len(samples), RATE_HZ, channels, basic_motions.UNITS)
        yield Frame("cases", number, samples, 0.0, 0, span=span)


def answers(model: Model, data: Array) -> list[str]:
    """The best label of each window."""
    found = [model.predict(frame).prediction for frame in windows(data)]
    return [each.labels[0] for each in found if isinstance(each, Classes)]


def _train(train: Cases, mean: list[float], std: list[float]) -> None:
    normalised = (train[0] - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    TRAINED.mkdir(parents=True, exist_ok=True)
    np.savez(TRAINED / "cases.npz", windows=normalised.clip(-LIMIT, LIMIT), classes=train[1])
    script = Path(__file__).with_name("train_activity.py")
    command = [_tensorflow(), script, TRAINED / "cases.npz", TRAINED, *SEEDS]
    subprocess.run([str(part) for part in command], check=True, env=QUIET)


def _tensorflow() -> Path:
    """A Python with TensorFlow, in an environment of its own: 1.8 GB, a minute and a half."""
    folder = CACHE / "tensorflow"
    python = folder / "bin/python"
    package = "tensorflow-cpu" if platform.machine() == "x86_64" else "tensorflow"
    if not (folder / ".complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{package}==2.21.0"], check=True)
        (folder / ".complete").touch()
    return python


def _said(name: str, data: Array, mean: list[float], std: list[float]) -> list[str]:
    options = {"kind": "classify", "activation": "none", "input": "series", "channels": CHANNELS}
    path = TRAINED / f"{name}.tflite"
    with load(path, device="cpu", labels=list(LABELS), mean=tuple(mean), std=tuple(std), **options) as model:  # type: ignore[arg-type]
        return answers(model, data)


def _right(name: str, cases: Cases, mean: list[float], std: list[float]) -> int:
    return sum(said == LABELS[place] for said, place in zip(_said(name, cases[0], mean, std), cases[1], strict=True))


def _write(data: Path, mean: list[float], std: list[float]) -> None:
    """The bundle, and one of the float model for comparison, which does not ship; the card is written by hand."""
    source = data / "BasicMotions_TRAIN.ts"
    said = {
        "version": basic_motions.PACKAGE.partition("==")[2],
        "source": f"{basic_motions.FOLDER}/{source.name}",
        "source_sha256": _digest(source.read_bytes()),
        "rate": RATE_HZ,
        "channels": ", ".join(CHANNELS),
        "mean": mean,
        "std": std,
    }
    for folder, name in ((BUNDLE, "int8"), (FLOAT, "float")):
        folder.mkdir(exist_ok=True)
        content = (TRAINED / f"{name}-{SHIPPED}.tflite").read_bytes()
        (folder / "model.tflite").write_bytes(content)
        (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
        _write_golden(folder, MANIFEST.format(model_sha256=_digest(content), **said))
        print(f"{folder}: {len(content)} bytes, sha256 {_digest(content)}")


def _write_golden(folder: Path, manifest: str) -> None:
    """The golden test is made of the bundle as it will be: first without it."""
    (folder / "manifest.yaml").write_text(manifest.partition("golden:")[0])
    with load(folder, device="cpu") as model:
        made = make_golden(list(windows(activity_golden.movements())), model)
    if made.weak:
        raise SystemExit(f"the golden windows {made.weak} prove nothing")
    (folder / "golden.npz").write_bytes(made.content)
    (folder / "manifest.yaml").write_text(manifest)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
