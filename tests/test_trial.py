"""What `check` and `doctor` say of models and sources of samples."""

import re
import wave
from pathlib import Path

import pytest

from edge_infer.errors import InputError
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.registry import source_settings
from edge_infer.settings import load_settings
from edge_infer.tools.check import findings
from edge_infer.tools.trial import Trial, model_trial, source_trial
from edge_infer.types import Wanted

MODELS = Path(__file__).resolve().parents[1] / "models"
SIX = "linear_accel_x,linear_accel_y,linear_accel_z,anglvel_x,anglvel_y,anglvel_z"


def pipeline(address: Path, model: str = "activity") -> PipelineSettings:
    return PipelineSettings(source=source_settings(address), model=ModelSettings(path=MODELS / model, device="cpu"))


def table(path: Path, names: str) -> Path:
    path.write_text(f"time,{names}\n" + "".join(f"{i / 10},{'1,' * names.count(',')}2\n" for i in range(30)))
    return path


def test_a_model_of_readings_is_held_to_its_golden_test_and_timed(tmp_path: Path) -> None:
    said = model_trial(pipeline(tmp_path / "x.wav")).detail
    assert re.match(r"activity@1\.0\.0, classify, on cpu with .*, golden test passed, \d+\.\d+ ms a frame", said)


def test_a_source_of_samples_says_what_it_gives(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(64000))
    said = source_trial(pipeline(tmp_path / "x.wav")).detail
    assert re.search(r"gives samples of 2 channels \(.+, .+\), 8000 a second, first frame after ", said)


def test_a_source_that_gives_what_the_model_takes_fits(tmp_path: Path) -> None:
    tried = pipeline(table(tmp_path / "rows.csv", SIX))
    assert "samples of 6 channels (linear_accel_x, " in source_trial(tried, model_trial(tried)).detail


@pytest.mark.parametrize(
    ("file", "model", "problem"),
    [
        ("other.csv", "activity", r"there is no channel linear_accel_x, .*; .*other\.csv has x, y"),
        ("sample.jpg", "activity", r"the model takes samples .*, and .*sample\.jpg gives pictures"),
        ("other.csv", "face-detection", r"other\.csv gives samples .*, and the model takes pictures"),
    ],
)
def test_a_source_of_something_else_does_not_fit(tmp_path: Path, file: str, model: str, problem: str) -> None:
    other = table(tmp_path / "other.csv", "x,y")
    tried = pipeline(other if file == "other.csv" else MODELS / "face-detection" / file, model)
    with pytest.raises(InputError, match=problem):
        source_trial(tried, model_trial(tried))


def test_a_source_of_more_channels_than_the_model_takes_is_asked_about(tmp_path: Path) -> None:
    tried = pipeline(table(tmp_path / "rows.csv", "x,y,z"))
    with pytest.raises(
        InputError, match=r"has 3 channels \(x, y, z\), and the model takes 2: name those that it takes"
    ):
        source_trial(tried, Trial("", wanted=Wanted(10, 10, 10.0, 2)))


def test_check_tells_that_a_source_does_not_fit(tmp_path: Path) -> None:
    rows = table(tmp_path / "other.csv", "x,y")
    wrist = f"{{source: {{kind: table, uri: {rows}}}, model: {{path: {MODELS / 'activity'}}}}}"
    file = tmp_path / "results.jsonl"
    (tmp_path / "config.yaml").write_text(
        f"version: 1\ndevice: {{id: watch}}\nfile: {{path: {file}}}\npipelines: {{wrist: {wrist}}}\n"
    )
    found = {one.what: one for one in findings(load_settings(tmp_path / "config.yaml"))}
    assert found["model of wrist"].exit_code == 0
    assert (found["source of wrist"].exit_code, "no channel" in found["source of wrist"].detail) == (65, True)
