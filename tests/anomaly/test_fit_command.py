"""`edge-infer fit anomaly`, and the bundle that it makes, in a pipeline's hands."""

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bench_anomaly.bearing import RATE_HZ, vibration

import edge_infer as ei
from edge_infer.bundle import tflite_writing as tw
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.cli.main import main
from edge_infer.types import Anomaly, Array, TensorSpec

WINDOW = RATE_HZ // 8
SECONDS = 30


def write_wav(path: Path, samples: Array) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples / 4 * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine that runs well."""
    return write_wav(tmp_path_factory.mktemp("anomaly") / "pump.wav", vibration(SECONDS, np.random.default_rng(0)))


def fitted(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["fit", "anomaly", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def scores(bundle: Path, source: str | Path) -> list[float]:
    with ei.load(bundle) as model, ei.open_source(source) as frames:
        predictions = [result.prediction for result in ei.stream(frames, model)]
    assert all(isinstance(prediction, Anomaly) for prediction in predictions)
    return [prediction.score for prediction in predictions if isinstance(prediction, Anomaly)]


def test_a_failing_machine_is_told_from_one_that_runs_well(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "pump"
    code, said, doubts = fitted(capsys, "-s", recording, "--out", bundle, "--window", WINDOW)
    assert code == 0
    assert "learned from 120 windows (15 s), threshold from 72 windows (9 s), checked on 48 windows (6 s)" in said
    assert "that takes 3.7 days; the threshold is extrapolated" in doubts
    assert main(["bundle", "test", str(bundle)]) == 0

    threshold = read_manifest(bundle / "manifest.yaml").decode.threshold
    assert threshold is not None
    rng = np.random.default_rng(1)
    well = scores(bundle, write_wav(tmp_path / "well.wav", vibration(5, rng)))
    failing = scores(bundle, write_wav(tmp_path / "failing.wav", vibration(5, rng, severity=1.0)))
    assert (len(well), len(failing)) == (40, 40)
    assert max(well) < threshold <= min(failing)


def test_learning_again_is_the_next_version_of_the_same_bundle(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "pump"
    for sequence in (1, 2):
        code, said, _ = fitted(capsys, "-s", recording, "--out", bundle, "--window", WINDOW, "--json")
        assert code == 0
        facts = json.loads(said)
        manifest = read_manifest(bundle / "manifest.yaml")
        assert (manifest.sequence, manifest.version) == (sequence, f"1.0.{sequence - 1}")
    assert manifest.decode.threshold == pytest.approx(facts["threshold"], rel=1e-5)
    assert facts["threshold_interval"][0] < facts["threshold"] < facts["threshold_interval"][1]
    assert (facts["learned"], facts["calibrated"], facts["checked"]) == (120, 72, 48)
    assert manifest.source is not None
    assert "threshold for 1 false alarms a day from the next 72" in str(manifest.source.note)
    assert "48 windows" in (bundle / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("samples", "code", "said"),
    [
        (np.zeros((SECONDS * RATE_HZ, 1)), 65, "see that the sensor is connected"),
        (vibration(5, np.random.default_rng(0)), 65, "40 frames or windows were recorded, at least 100"),
    ],
)
def test_what_cannot_be_learned_from_is_said(
    samples: Array, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_wav(tmp_path / "bad.wav", samples)
    found, _, why = fitted(capsys, "-s", path, "--out", tmp_path / "b", "--window", WINDOW)
    assert found == code
    assert said in why
    assert not (tmp_path / "b").exists()


def test_another_thing_that_lies_there_is_not_replaced(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = Path(__file__).parents[2] / "models/face-detection"
    for folder, said in ((faces, "a bundle of the task detect"), (tmp_path, "no bundle")):
        code, _, why = fitted(capsys, "-s", recording, "--out", folder)
        assert code == 64
        assert said in why


def folder_of_pictures(folder: Path, base: Array, count: int, *, noise: float = 6.0) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        noisy = np.clip(base + rng.normal(0, noise, base.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), noisy)
    return folder


def room() -> Array:
    picture = np.full((120, 160, 3), 90, np.float64)
    cv2.rectangle(picture, (10, 60), (70, 110), (200, 180, 120), -1)
    cv2.circle(picture, (120, 40), 25, (30, 60, 160), -1)
    return picture


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("room")
    visited = room()
    cv2.rectangle(visited, (80, 60), (105, 115), (20, 20, 20), -1)
    return {
        "empty": folder_of_pictures(folder / "empty", room(), 120),
        "dimmer": folder_of_pictures(folder / "dimmer", 0.8 * room(), 4, noise=5.0),
        "visited": folder_of_pictures(folder / "visited", visited, 4),
    }


def test_a_visitor_is_unusual_and_less_light_is_not(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "room"
    code, _, doubts = fitted(capsys, "-s", pictures["empty"], "--out", bundle)
    assert code == 0
    assert "1 s from one to the next is assumed" in doubts
    threshold = read_manifest(bundle / "manifest.yaml").decode.threshold
    assert threshold is not None
    assert max(scores(bundle, pictures["dimmer"])) < threshold <= min(scores(bundle, pictures["visited"]))


def pooling_model(path: Path) -> Path:
    """A model whose embedding is the mean colour of each of 4x4 parts of the picture."""
    graph, real = tw.Graph(), np.dtype(np.float32)
    picture = graph.tensor(TensorSpec("picture", (1, 64, 64, 3), np.dtype(np.uint8), (1.0,), (0,)))
    colors = graph.add(tw.Op(tw.DEQUANTIZE, [picture], "colors"), TensorSpec("colors", (1, 64, 64, 3), real))
    pool = (5, {0: 1, 1: 16, 2: 16, 3: 16, 4: 16})
    parts = graph.add(tw.Op(tw.AVERAGE_POOL_2D, [colors], "parts", pool), TensorSpec("parts", (1, 4, 4, 3), real))
    shape = graph.constant("shape", np.array([1, 48], np.int32))
    vector = graph.add(tw.Op(tw.RESHAPE, [parts, shape], "embedding"), TensorSpec("embedding", (1, 48), real))
    path.write_bytes(tw.model_bytes(graph, [picture], [vector], "means of colours"))
    return path


def test_another_model_can_look_and_its_embeddings_are_compared(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "room"
    looking = pooling_model(tmp_path / "looking.tflite")
    code, said, _ = fitted(capsys, "-s", pictures["empty"], "--out", bundle, "--embed", looking)
    assert code == 0
    assert "false alarms in the part held out" in said
    manifest = read_manifest(bundle / "manifest.yaml")
    assert manifest.decode.statistics == bundle / "normal.npz"
    assert manifest.decode.threshold is not None
    assert main(["bundle", "test", str(bundle)]) == 0
    assert min(scores(bundle, pictures["visited"])) >= manifest.decode.threshold


def test_of_a_classifier_what_its_last_layer_is_given_is_compared(
    models: Path, pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier, bundle = models / "mobilenet_v1_0.25_128_quant.tflite", tmp_path / "room"
    code, _, _ = fitted(capsys, "-s", pictures["empty"], "--out", bundle, "--embed", classifier)
    assert code == 0
    assert main(["bundle", "test", str(bundle)]) == 0
    threshold = read_manifest(bundle / "manifest.yaml").decode.threshold
    assert threshold is not None
    assert min(scores(bundle, pictures["visited"])) >= threshold


def test_a_model_that_gives_no_embeddings_is_refused(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = Path(__file__).parents[2] / "models/face-detection"
    code, _, why = fitted(capsys, "-s", pictures["empty"], "--out", tmp_path / "b", "--embed", faces)
    assert code == 65
    assert "its task is detect" in why


def test_the_source_of_a_pipeline_is_learned_from_as_the_pipeline_sees_it(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "edge-infer.yaml"
    said: dict[str, Any] = {
        "version": 1,
        "device": {"id": "porch"},
        "pipelines": {
            "pump": {
                "source": {"kind": "wav", "uri": str(recording)},
                "model": {"path": "not-yet"},
                "prepare": {"window": WINDOW},
            }
        },
    }
    config.write_text(json.dumps(said))
    code, out, _ = fitted(capsys, "--pipeline", "pump", "-c", config, "--out", tmp_path / "b")
    assert code == 0
    assert "120 windows" in out
    code, _, why = fitted(capsys, "--pipeline", "pumpe", "-c", config, "--out", tmp_path / "b")
    assert code == 64
    assert "there is no pipeline 'pumpe'; there are pump" in why


def test_a_signal_ends_the_recording_and_what_there_is_is_learned(tmp_path: Path) -> None:
    fifo, bundle = tmp_path / "sound", tmp_path / "pump"
    os.mkfifo(fifo)
    window = 1600
    command = ["fit", "anomaly", "-s", f"pcm:{fifo}", "--out", bundle, "--window", window, "--minutes", 60, "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "edge_infer", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        sound = (1000 * np.random.default_rng(0).standard_normal(150 * window)).astype("<i2").tobytes()
        with fifo.open("wb") as writer:
            writer.write(sound)  # done when all but a pipe's 64 kB were read: 130 windows
            writer.flush()
            process.send_signal(signal.SIGINT)
            said, why = process.communicate(timeout=60)
    assert process.returncode == 0, why
    facts = json.loads(said)
    assert facts["stopped"]
    assert 100 <= facts["learned"] + facts["calibrated"] + facts["checked"] <= 150
    assert (bundle / "model.tflite").is_file()
