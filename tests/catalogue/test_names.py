"""A name stands for what was pulled, wherever a model is named; a file that is there stands for itself."""

import json
import os
from pathlib import Path

import pytest

import edge_infer
from edge_infer.bundle.bundle import open_bundle
from edge_infer.catalogue.places import STATE, SYSTEM, folders
from edge_infer.cli.main import main
from edge_infer.errors import UnavailableError
from edge_infer.settings import load_settings

NAME = "mobilenet-v1-025-128"
CONFIG = "version: 1\ndevice: {{id: porch}}\npipelines:\n  door: {{source: {{kind: picamera}}, model: {{path: {}}}}}\n"


@pytest.fixture
def stick(testdata: Path, tmp_path: Path) -> str:
    """A folder with all that we have, as an offline fleet carries it."""
    folder = tmp_path / "stick"
    folder.mkdir()
    for path in (*(testdata / "models").iterdir(), *(testdata / "labels").iterdir()):
        (folder / path.name).symlink_to(path)
    return str(folder)


def test_a_pulled_model_is_used_by_its_name(
    stick: str, inputs: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cat = str(inputs / "cat.bmp")
    assert main(["infer", "--model", NAME, cat]) == 69
    assert f"`edge-infer models pull {NAME}`" in capsys.readouterr().err
    assert main(["models", "pull", NAME, "--from", stick]) == 0
    shown = capsys.readouterr().out
    assert str(place / NAME) in shown
    assert shown.count(" verified") == 2
    assert main(["infer", "--model", NAME, "--json", cat]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["model"].startswith(NAME)
    assert "tiger cat" in {one["label"] for one in answer["classes"][:3]}
    assert main(["inspect", NAME]) == 0
    assert main(["bench", NAME, "--seconds", "0.01", "--rounds", "1", "--json"]) == 0
    with edge_infer.load(NAME, device="cpu") as model:
        assert model.id.name == NAME
    assert main(["models", "where", NAME]) == 0
    assert capsys.readouterr().out.endswith(f"{place / NAME}\n")
    assert main(["models", "remove", NAME]) == 0
    assert main(["models", "where", NAME]) == 69


def test_the_list_says_what_is_here(stick: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "pull", NAME, "--from", stick])
    capsys.readouterr()
    assert main(["models", "list", "--task", "classify", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["models"]}
    assert found[NAME]["path"] == str(place / NAME)
    assert found[NAME]["verified"] is True
    assert found["mobilenet-v2"]["path"] is None
    assert {one["task"] for one in found.values()} == {"classify"}
    assert main(["models", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert " yes " in lines[NAME]
    assert "CPU, TPU" in lines[NAME]
    assert lines["movenet-thunder"].endswith("(not verified)")


def test_what_cannot_be_had_does_not_keep_the_others(
    stick: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "movenet-thunder", NAME, "nothing", "--from", stick]) == 69
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 2
    assert f"{NAME} is in" in said.out


def test_a_mirror_of_the_environment_is_used(
    stick: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_INFER_MIRROR", stick)
    assert main(["models", "pull", NAME, "--edgetpu"]) == 0
    assert "mobilenet_v1_0.25_128_quant_edgetpu.tflite" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mobilnet-v2", "nonsense"])
def test_an_unknown_name_gets_the_nearest_and_where_to_look(name: str) -> None:
    with pytest.raises(UnavailableError, match=r"there is no model at .*`edge-infer models list`") as caught:
        open_bundle(Path(name))
    assert ("did you mean 'mobilenet-v2'" in str(caught.value)) is (name != "nonsense")


@pytest.mark.parametrize("path", ["folder/mobilenet-v2", "mobilenet-v2.tflite", "/mobilenet-v2", "../mobilenet-v2", ""])
def test_a_path_is_never_taken_for_a_name(path: str, place: Path) -> None:
    (place / "mobilenet-v2").mkdir(parents=True)
    (place / "mobilenet-v2/manifest.yaml").touch()
    with pytest.raises(UnavailableError, match=r"give a \.tflite file") if path else pytest.raises(Exception):
        open_bundle(Path(path))


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mobilenet-v2").write_bytes(b"")
    assert open_bundle(Path("mobilenet-v2")).path == Path("mobilenet-v2")


def test_a_configuration_may_name_a_model(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    paths = {}
    for said in ("mobilenet-v2", "my-model", "sub/mobilenet-v2", "/models/mobilenet-v2", "mobilenet-v2.tflite"):
        file.write_text(CONFIG.format(said))
        paths[said] = load_settings(file).pipelines["door"].model.path
    assert paths.pop("mobilenet-v2") == Path("mobilenet-v2")
    assert paths == {said: tmp_path / said for said in paths}
    (tmp_path / "mobilenet-v2").mkdir()
    file.write_text(CONFIG.format("mobilenet-v2"))
    assert load_settings(file).pipelines["door"].model.path == tmp_path / "mobilenet-v2"


def test_a_configuration_may_name_a_bundle_that_lies_among_the_pulled_ones(tmp_path: Path, place: Path) -> None:
    (place / "my-model").mkdir(parents=True)
    (place / "my-model/manifest.yaml").touch()
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format("my-model"))
    assert load_settings(file).pipelines["door"].model.path == Path("my-model")


def test_where_models_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert folders() == [Path(os.environ["EDGE_INFER_MODELS"])]
    monkeypatch.delenv("EDGE_INFER_MODELS")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert folders() == [tmp_path / "edge-infer/models", SYSTEM, STATE]
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert folders()[0] == Path("/home/me/.local/share/edge-infer/models")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/edge-infer-yard:/x")
    assert folders() == [Path("/var/lib/edge-infer-yard/models"), SYSTEM, STATE]
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert folders() == [SYSTEM, STATE]
