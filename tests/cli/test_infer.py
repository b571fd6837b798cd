"""`edge-infer infer`, `inspect`, `devices`, `config`, `completion`: what they print."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_infer.cli.main import main

BUNDLE = Path(__file__).resolve().parents[2] / "models/face-detection"
SAMPLE = str(BUNDLE / "sample.jpg")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_infer_prints_one_object_for_each_input(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "infer", "--json", "-m", str(BUNDLE), SAMPLE, SAMPLE)
    assert (code, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert first["detections"] == second["detections"]
    assert {**first, "timings_ms": set(first["timings_ms"]), "detections": None} == {
        "input": SAMPLE,
        "task": "detect",
        "status": "ok",
        "model": "face-detection@1.0.0",
        "device": "cpu",
        "width": 512,
        "height": 512,
        "timings_ms": {"prepare", "infer", "decode"},
        "detections": None,
    }
    face = first["detections"][0]
    assert (face["label"], face["class_id"]) == ("face", 0)
    assert face["score"] > 0.8
    assert len(face["box"]) == 4
    assert [point["name"] for point in face["keypoints"]][:2] == ["right_eye", "left_eye"]


def test_infer_takes_folders_and_patterns_and_draws(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(pictures / name), np.full((48, 64, 3), 90, np.uint8))
    code, out, _ = run(
        capsys,
        "infer",
        "--json",
        "-m",
        str(BUNDLE),
        str(pictures),
        str(pictures / "*.png"),
        "--out",
        str(tmp_path / "o"),
    )
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [Path(answer["input"]).name for answer in answers] == ["a.png", "b.png", "a.png", "b.png"]
    assert all(answer["detections"] == [] for answer in answers)
    assert (tmp_path / "o/a.jpg").is_file()


def test_infer_for_people_names_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "infer", "-m", str(BUNDLE), SAMPLE)
    assert code == 0
    assert "512x512" in out
    assert "  face  at " in out


def test_infer_looks_only_at_the_region_and_maps_back(capsys: pytest.CaptureFixture[str]) -> None:
    _, whole, _ = run(capsys, "infer", "--json", "-m", str(BUNDLE), SAMPLE)
    _, part, _ = run(capsys, "infer", "--json", "-m", str(BUNDLE), "--roi", "100,0,400,300", SAMPLE)
    boxes = [json.loads(text)["detections"][0]["box"] for text in (whole, part)]
    assert np.abs(np.subtract(*boxes)).max() < 15
    code, out, err = run(capsys, "infer", "--json", "-m", str(BUNDLE), "--roi", "0,0,900,900", SAMPLE)
    assert code == 65
    assert "roi 0,0,900,900 does not lie inside the picture" in err
    assert json.loads(out)["status"] == "error"


def test_allow_and_deny_hold_for_faces_too(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "infer", "--json", "-m", str(BUNDLE), "--allow", "face", SAMPLE)
    assert len(json.loads(out)["detections"]) == 1
    _, out, _ = run(capsys, "infer", "--json", "-m", str(BUNDLE), "--deny", "face", SAMPLE)
    assert json.loads(out)["detections"] == []
    code, _, err = run(capsys, "infer", "--json", "-m", str(BUNDLE), "--allow", "cat", SAMPLE)
    assert code == 65
    assert "the model has no class 'cat'; it has face" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--roi", "1,2,3"),
        ("--min-score", "1.5"),
        ("--threads", "0"),
        ("--top-k", "none"),
        ("--device", "tpu"),
        ("--resize", "zoom"),
        ("--no-such-option",),
    ],
)
def test_a_wrong_option_is_one_line_and_64(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "infer", "-m", str(BUNDLE), SAMPLE, *arguments)
    assert (code, out) == (64, "")
    assert err.startswith("edge-infer: ")
    assert err.count("\n") == 1


def test_inspect_says_what_a_model_is_and_from_what_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "inspect", "--json", str(BUNDLE))
    facts = json.loads(out)
    assert code == 0
    assert facts["inputs"][0]["shape"] == [1, 192, 192, 3]
    assert facts["inputs"][0]["zero_point"] == [127]
    assert (facts["task"], facts["decoder"], facts["edgetpu"]) == ("detect", "blazeface", False)
    assert facts["operators"]["CONV_2D"] > 20
    assert facts["known from"]["task"] == "the manifest"
    _, text, _ = run(capsys, "inspect", str(BUNDLE / "model.tflite"))
    assert "the shapes of its outputs" in text
    assert "real = (stored - 127)" in text


def test_devices_lists_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "devices", "--json")
    found = json.loads(out)
    assert code == 0
    assert set(found) >= {"cameras", "microphones", "accelerators", "runtimes"}
    assert found["runtimes"]
    assert run(capsys, "devices")[1].startswith("cameras:\n")


def test_a_sample_configuration_is_in_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, text, _ = run(capsys, "config", "sample")
    file = tmp_path / "edge-infer.yaml"
    file.write_text(text)
    assert run(capsys, "config", "check", str(file))[:2] == (0, f"{file} is in order\n")
    code, shown, _ = run(capsys, "config", "show", str(file))
    assert code == 0
    assert "max_frame_age_s: 5.0" in shown
    assert json.loads(run(capsys, "config", "schema")[1])["$defs"]["Settings"]["type"] == "object"


def test_a_wrong_configuration_is_78_with_every_mistake_and_its_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "version: 1\n"
        "device: {id: porch}\n"
        "device: {id: other}\n"
        "pipelines:\n"
        "  door:\n"
        "    source: {kind: camera, uri: /dev/video0, fps: fast}\n"
        "    model: {path: m.tflite, threads: 0}\n"
        "    decode: {min_scor: 0.5, nms: plain}\n"
    )
    code, out, err = run(capsys, "config", "check", str(file))
    assert (code, out) == (78, "")
    lines = err.splitlines()
    assert all(line.startswith(f"edge-infer: {file}:") for line in lines)
    places = [line.removeprefix(f"edge-infer: {file}:").split(": ")[0] for line in lines]
    assert places == ["3:1", "6:51", "7:38", "8:14"]
    assert "min_score" in lines[-1]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_the_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0
    assert "inspect" in out
    assert "--min-score" in out
