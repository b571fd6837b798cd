"""A minute and an hour of sound through source, converter, intake, model and decoder: each window once."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sounds import wav_bytes
from tflite_writer import RESHAPE, Graph, Op, Tensor, model_bytes

pytest.importorskip("soxr")

from edge_infer.loading import load
from edge_infer.registry import open_source
from edge_infer.streaming import stream

FILE_HZ, RATE = 8000, 16000
SAMPLES = 15600


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Gives the window back."""
    tensors = [
        Tensor("sound", (1, SAMPLES)),
        Tensor("shape", (2,), "int32", (1, SAMPLES)),
        Tensor("heard", (1, SAMPLES)),
    ]
    graph = Graph(tensors, ["sound"], ["heard"], [Op(RESHAPE, ["sound", "shape"], ["heard"])])
    (tmp_path / "m.tflite").write_bytes(model_bytes(graph))
    return tmp_path / "m.tflite"


def tone(start: int, samples: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 437.0 * np.arange(start, start + samples) / RATE)


def write(path: Path, seconds: int) -> Path:
    data = 0.5 * np.sin(2 * np.pi * 437.0 * np.arange(seconds * FILE_HZ, dtype=np.float64) / FILE_HZ)
    path.write_bytes(wav_bytes(data[:, None], FILE_HZ))
    return path


def check(model: Path, wav: Path, seconds: int) -> None:
    numbers, worst = [], 0.0
    with load(model, kind="tensors", input="audio", rate_hz=RATE) as loaded, open_source(wav) as source:
        for result in stream(source, loaded):
            assert result.span is not None
            assert not result.dropped
            numbers.append(result.number)
            if result.number > 0 and result.span.end < seconds * RATE - 1000:
                heard = dict(result.prediction)["heard"][0]
                worst = max(worst, float(np.abs(heard - tone(result.span.start, SAMPLES)).max()))
    assert numbers == list(range(-(-seconds * RATE // SAMPLES)))
    assert worst < 1e-3


def test_each_window_of_a_minute_is_answered_once_and_holds_its_own_samples(model: Path, tmp_path: Path) -> None:
    check(model, write(tmp_path / "x.wav", 60), 60)


@pytest.mark.slow
def test_each_window_of_an_hour_is_answered_once_and_holds_its_own_samples(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 3600)
    check(model, path, 3600)
    path.unlink()


def test_the_daemon_answers_for_each_window_of_a_file_and_ends(model: Path, tmp_path: Path) -> None:
    wav = write(tmp_path / "x.wav", 5)
    said = ["--decoder", "tensors", "--takes", "audio", "--rate-hz", str(RATE), "--overlap", "0.5"]
    command = [sys.executable, "-m", "edge_infer", "run", "--source", wav, "--model", model, *said]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["frame"] for result in results] == list(range(10))
    assert [result["span"]["start"] for result in results] == list(range(0, 10 * 7800, 7800))
