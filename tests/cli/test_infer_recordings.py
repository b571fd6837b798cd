"""`edge-infer infer` and `inspect` where the model takes samples: what they print."""

import json
from pathlib import Path

import numpy as np
import pytest
from sounds import wav_bytes
from tflite_writer import LOGISTIC, RESHAPE, Graph, Op, Tensor, model_bytes

from edge_infer.cli.main import main

RATE = 100


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Says of windows of 4 samples of sound what they are: the second of them, through a logistic."""
    graph = Graph(
        [
            Tensor("sound", (1, 4)),
            Tensor("shape", (2,), "int32", np.int32([1, 4])),
            Tensor("flat", (1, 4)),
            Tensor("scores", (1, 4)),
        ],
        ["sound"],
        ["scores"],
        [Op(RESHAPE, ["sound", "shape"], ["flat"]), Op(LOGISTIC, ["flat"], ["scores"])],
    )
    (tmp_path / "m.tflite").write_bytes(model_bytes(graph))
    return str(tmp_path / "m.tflite")


@pytest.fixture
def wav(tmp_path: Path) -> str:
    data = np.float32([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]).reshape(-1, 1)[:10]
    (tmp_path / "x.wav").write_bytes(wav_bytes(data, RATE, 32, real=True))
    return str(tmp_path / "x.wav")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


SAID = ("--takes", "audio", "--rate-hz", str(RATE), "--top-k", "1")


def test_a_recording_is_one_object_with_all_its_windows(
    capsys: pytest.CaptureFixture[str], model: str, wav: str
) -> None:
    code, out, err = run(capsys, "infer", "--json", "-m", model, *SAID, wav, wav)
    assert (code, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert first["windows"] == second["windows"]
    assert {**first, "timings_ms": set(first["timings_ms"]), "windows": None} == {
        "input": wav,
        "task": "classify",
        "status": "ok",
        "model": "m",
        "device": "cpu",
        "timings_ms": {"prepare", "infer", "decode"},
        "windows": None,
    }
    assert [(w["start_s"], w["length_s"], w["status"]) for w in first["windows"]] == [
        (0.0, 0.04, "ok"),
        (0.04, 0.04, "ok"),
        (0.08, 0.04, "ok"),
    ]
    assert [w["classes"][0]["class_id"] for w in first["windows"]] == [1, 0, 0]
    assert first["windows"][0]["classes"][0]["score"] == pytest.approx(0.7311, abs=1e-3)


def test_windows_may_overlap(capsys: pytest.CaptureFixture[str], model: str, wav: str) -> None:
    code, out, _ = run(capsys, "infer", "--json", "-m", model, *SAID, "--overlap", "0.75", wav)
    assert code == 0
    assert [w["start"] for w in json.loads(out)["windows"]] == [0, 1, 2, 3, 4, 5, 6]


def test_a_person_reads_a_line_for_each_window_in_which_something_was_found(
    capsys: pytest.CaptureFixture[str], model: str, wav: str
) -> None:
    code, out, _ = run(capsys, "infer", "-m", model, *SAID, "--min-score", "0.6", wav)
    head, *windows, last = out.splitlines()
    assert code == 0
    assert head.startswith(f"{wav}  (3 windows, ")
    assert [line.split("s  ")[0].split() for line in windows] == [["0.000", "to", "0.040"], ["0.040", "to", "0.080"]]
    assert "0.731  1  (class 1)" in windows[0]
    assert last == "  nothing found in 1 window"


def test_what_cannot_be_read_keeps_nothing_else_from_its_answer(
    capsys: pytest.CaptureFixture[str], model: str, wav: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    code, out, err = run(capsys, "infer", "--json", "-m", model, *SAID, str(tmp_path / "bad.wav"), "mic", "no.wav", wav)
    assert code == 65
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["status"] for row in rows] == ["error", "error", "error", "ok"]
    assert "does not begin with RIFF" in err
    assert "cannot open the sound no.wav" in err


def test_pictures_and_sound_do_not_mix(
    capsys: pytest.CaptureFixture[str], model: str, wav: str, tmp_path: Path
) -> None:
    bundle = str(Path(__file__).resolve().parents[2] / "models/face-detection")
    code, _, err = run(capsys, "infer", "-m", bundle, wav)
    assert code == 65
    assert "x.wav is sound, and the model takes pictures" in err
    code, _, err = run(capsys, "infer", "-m", model, *SAID, f"{bundle}/sample.jpg")
    assert code == 65
    assert "the model takes samples (sound, or readings of sensors), and " in err
    assert "sample.jpg gives pictures" in err
    code, _, err = run(capsys, "infer", "-m", model, *SAID, "--out", str(tmp_path / "o"), wav)
    assert (code, "--out draws on pictures" in err) == (64, True)


def test_inspect_says_what_becomes_of_samples(capsys: pytest.CaptureFixture[str], model: str) -> None:
    code, out, _ = run(capsys, "inspect", "--json", model, *SAID, "--overlap", "0.5")
    assert code == 0
    decided = json.loads(out)["decided"]
    found = {name: (part["value"], part["from"]) for name, part in decided.items()}
    assert found["input"] == ("audio", "you")
    assert found["window"] == ("4 samples, 0.04 s", "the input 'sound'")
    assert found["next window"] == ("2 samples later", "you")
    assert found["rate_hz"] == (100.0, "you")
    assert found["channels"] == ("1", "the input 'sound'")
    assert "resize" not in found


def test_inspect_says_why_there_can_be_no_windows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    graph = Graph(
        [Tensor("sound", (1,)), Tensor("scores", (1,))], ["sound"], ["scores"], [Op(LOGISTIC, ["sound"], ["scores"])]
    )
    (tmp_path / "open.tflite").write_bytes(model_bytes(graph))
    code, out, _ = run(
        capsys, "inspect", "--json", str(tmp_path / "open.tflite"), "--takes", "audio", "--decoder", "tensors"
    )
    assert code == 0
    assert json.loads(out)["decided"]["window"]["from"].endswith("say how many, prepare: {window: N}")


@pytest.mark.parametrize("option", [("--rate-hz", "0"), ("--rate-hz", "x"), ("--window", "0"), ("--overlap", "1")])
def test_impossible_options_are_refused(
    capsys: pytest.CaptureFixture[str], model: str, wav: str, option: tuple[str, str]
) -> None:
    code, _, err = run(capsys, "infer", "-m", model, "--takes", "audio", *option, wav)
    assert code == 64
    assert err
