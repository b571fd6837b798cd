"""`edge-infer bundle create` and `bundle test`: what they print, and how they end."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from echoes import ECHOES

from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.cli.bundle import TASKS
from edge_infer.cli.main import main
from edge_infer.kinds.registry import built_in

REPOSITORY = Path(__file__).resolve().parents[2]
FACES = REPOSITORY / "models/face-detection"
OTHER = REPOSITORY / ".venv-tflite_runtime/bin/python"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def echo(tmp_path: Path) -> tuple[str | Path, ...]:
    """The arguments that make a bundle of an embedding model in `tmp_path`."""
    model = ECHOES["embedding"].write(tmp_path / "echo.tflite")
    cv2.imwrite(str(tmp_path / "picture.png"), ECHOES["embedding"].picture)
    mine = ("--decoder", "embed", "--mean", "127.5", "--std", "127.5", "--device", "cpu")
    return ("bundle", "create", model, "--out", tmp_path / "bundle", "--input", tmp_path / "picture.png", *mine)


def test_a_bundle_is_made_and_passes_its_test(
    tmp_path: Path, echo: tuple[str | Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *echo, "--license", "MIT", "--name", "twin", "--version", "2.0.0")
    assert (code, err) == (0, "")
    assert out == (
        f"wrote {tmp_path / 'bundle'}: twin@2.0.0, embed, MIT\n"
        "its golden test notices: resized otherwise, swapped colours, normalised otherwise\n"
    )
    code, out, err = run(capsys, "bundle", "test", tmp_path / "bundle")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("twin@2.0.0, embed, on cpu with ")
    assert second.startswith("ok    picture 0   12x8 ")


def test_what_differs_is_told_picture_by_picture(
    tmp_path: Path, echo: tuple[str | Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, *echo, "--input", FACES / "sample.jpg")[0] == 0
    manifest = tmp_path / "bundle/manifest.yaml"
    manifest.write_text(manifest.read_text().replace("color: rgb", "color: bgr"))
    code, out, _ = run(capsys, "bundle", "test", tmp_path / "bundle")
    assert code == 65
    lines = out.splitlines()
    assert [line[:16] for line in lines[1::2]] == ["FAIL  picture 0 ", "FAIL  picture 1 "]
    assert lines[2].startswith("        the cosine with the expected vector is 0.")
    code, out, _ = run(capsys, "bundle", "test", tmp_path / "bundle", "--json")
    assert code == 65
    said = json.loads(out)
    assert (said["ok"], said["model"], said["compare"], said["device"]) == (False, "echo@1.0.0", "embedding", "cpu")
    picture = said["pictures"][1]
    assert (picture["picture"], picture["width"], picture["height"], picture["ok"]) == (1, 512, 512, False)
    assert set(picture["timings_ms"]) == {"prepare", "infer", "decode"}
    assert len(picture["problems"]) == 1


def test_the_bundle_that_is_shipped_passes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bundle", "test", FACES, "--json")
    said = json.loads(out)
    assert (code, said["ok"], len(said["pictures"])) == (0, True, 3)


def test_a_bundle_without_a_golden_test_says_how_to_make_one(
    tmp_path: Path, echo: tuple[str | Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *(argument for argument in echo if argument not in ("--input", echo[6])))
    assert code == 0
    assert out == f"wrote {tmp_path / 'bundle'}: echo@1.0.0, embed, unknown\n"
    assert [line.split(":")[1].strip()[:28] for line in err.splitlines()] == [
        "nobody says under which lice",
        "the bundle has no golden tes",
    ]
    code, out, err = run(capsys, "bundle", "test", tmp_path / "bundle")
    assert (code, out) == (65, "")
    assert "has no golden test, so nothing was tried: `edge-infer bundle create" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("create", FACES, "--out", FACES), 64, "is there already: choose another folder, or replace the bundle with"),
        (("create", FACES), 64, "the following arguments are required: --out"),
        (("create", FACES, "--out", "{tmp}/b", "--task", "embed"), 65, "an embedding is one output"),
        (("create", FACES, "--out", "{tmp}/b", "--input", "{tmp}/none.png"), 69, "there is no picture at"),
        (("create", FACES / "labels.txt", "--out", "{tmp}/b"), 65, "not a TFLite model"),
        (("create", "{tmp}/none.tflite", "--out", "{tmp}/b"), 69, "there is no model at"),
        (("test", "{tmp}"), 65, "holds no manifest.yaml"),
    ],
)
def test_what_cannot_be_done_ends_with_the_code_of_its_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str | Path, ...], code: int, message: str
) -> None:
    said = run(capsys, "bundle", *(str(argument).replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert (said[0], said[1]) == (code, "")
    assert message in said[2]
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_with_force(
    tmp_path: Path, echo: tuple[str | Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, *echo)[0] == 0
    assert run(capsys, *echo)[0] == 64
    assert run(capsys, *echo, "--force")[0] == 0
    assert read_manifest(tmp_path / "bundle/manifest.yaml").sequence == 2


def test_the_command_knows_all_tasks() -> None:
    assert set(TASKS) == {kind.task for kind in built_in()}


REAL = {
    "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29": (["cats_and_dogs.jpg", "cat.bmp", "burger.jpg"], []),
    "mobilenet_v1_0.25_128_quant": (["cat.bmp", "burger.jpg"], ["--task", "classify"]),
    "mobilenet_v2_1.0_224_quant": (["cat.bmp", "burger.jpg", "cats_and_dogs.jpg"], ["--task", "classify"]),
    "movenet_single_pose_lightning_ptq": (["squat.bmp"], []),
    "deeplabv3_mnv2_dm05_pascal_quant": (["cats_and_dogs.jpg", "bird_segmentation.bmp", "squat.bmp"], []),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_bundle_that_was_made_on_one_runtime_passes_on_the_other(
    name: str, tmp_path: Path, models: Path, inputs: Path
) -> None:
    if not OTHER.is_file() or Path(sys.executable) == OTHER:
        pytest.skip("needs both environments")
    shown, said = REAL[name]
    pythons = {"ai_edge_litert": Path(sys.executable), "tflite_runtime": OTHER}

    def command(runtime: str, *arguments: str | Path) -> str:
        ran = subprocess.run(
            [pythons[runtime], "-m", "edge_infer", "bundle", *arguments, "--runtime", runtime, "--device", "cpu"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    pictures = [inputs / picture for picture in shown]
    for made_on, tried_on in (tuple(pythons), tuple(reversed(pythons))):
        command(made_on, "create", models / f"{name}.tflite", "--out", tmp_path / made_on, *said, "--input", *pictures)
        assert command(tried_on, "test", tmp_path / made_on).count("ok  ") == len(shown)
        shutil.rmtree(tmp_path / made_on)
