"""The published answers to the sounds of the test data, and wake words: from the command, on the runtime in force.

Source: SOURCES.md of the test data; the wake words: microWakeWord's own models and thresholds.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sounds import sine, spoken, wake_word_model, wav_bytes

from edge_infer.loading import load
from edge_infer.registry import open_source
from edge_infer.streaming import stream

YAMNET = "yamnet_audio_classifier_with_metadata.tflite"


def infer(*arguments: object) -> list[dict[str, Any]]:
    """What `edge-infer infer --json` prints, an object for each input."""
    command = [sys.executable, "-m", "edge_infer", "infer", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_yamnet_hears_speech_in_each_window(models: Path, inputs: Path) -> None:
    (answer,) = infer("-m", models / YAMNET, "--top-k", 1, inputs / "speech.wav")
    assert (answer["task"], answer["status"], answer["device"]) == ("classify", "ok", "cpu")
    windows = answer["windows"]
    assert [window["start_s"] for window in windows] == [0, 0.975, 1.95, 2.925, 3.9]
    assert {window["length_s"] for window in windows} == {0.975}
    best = [window["classes"][0] for window in windows[:4]]
    assert [entry["label"] for entry in best] == ["Speech"] * 4
    assert best[0]["score"] == pytest.approx(0.918, abs=0.03)
    assert min(entry["score"] for entry in best) > 0.9


def test_another_rate_and_two_channels_give_the_same_answers(models: Path, inputs: Path, tmp_path: Path) -> None:
    soxr = pytest.importorskip("soxr")
    with open_source(inputs / "speech.wav") as source:
        data = np.concatenate([frame.data for frame in source])[:, 0]
    faster = soxr.resample(data, 16000, 44100)
    (tmp_path / "x.wav").write_bytes(wav_bytes(np.stack([faster, faster], axis=1), 44100, 24))
    with load(models / YAMNET, top_k=1) as model, open_source(tmp_path / "x.wav") as source:
        results = list(stream(source, model))
    assert [result.number for result in results] == [0, 1, 2, 3, 4]
    assert [result.prediction.labels[0] for result in results[:4]] == ["Speech"] * 4
    assert results[0].prediction.scores[0] == pytest.approx(0.918, abs=0.03)


@pytest.fixture
def sentences(tmp_path: Path) -> dict[str, Path]:
    """What a program says, each between two seconds of silence."""
    silence = np.zeros((16000, 1), np.float32)
    found = {}
    for words in ("alexa", "okay nabu", "the weather is nice today"):
        said = np.concatenate([silence, spoken(words, tmp_path), silence])
        found[words] = tmp_path / f"{words}.wav"
        found[words].write_bytes(wav_bytes(said))
    found["a tone"] = tmp_path / "a tone.wav"
    found["a tone"].write_bytes(wav_bytes(sine(440, 2.0)))
    return found


@pytest.mark.parametrize(
    ("name", "label", "words"), [("alexa", "Alexa", "alexa"), ("okay_nabu", "Okay Nabu", "okay nabu")]
)
def test_a_wake_word_is_heard_and_nothing_else_is(
    sentences: dict[str, Path], name: str, label: str, words: str
) -> None:
    pytest.importorskip("pymicro_features")
    answers = infer("-m", wake_word_model(name), *sentences.values())
    heard = {Path(answer["input"]).stem: [w for w in answer["windows"] if w["classes"]] for answer in answers}
    assert [said for said, windows in heard.items() if windows] == [words]
    assert {entry["label"] for window in heard[words] for entry in window["classes"]} == {label}
    assert all(1.0 < window["start_s"] < 4.0 for window in heard[words])
