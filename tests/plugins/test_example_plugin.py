"""The example that is shipped keeps the contracts, and works from a configuration, a command line and the library."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

import edge_infer
from edge_infer.errors import ConfigError, UsageError
from edge_infer.registry import make_sinks, open_source
from edge_infer.settings import load_settings
from edge_infer.sources.windows import Windows
from edge_infer.testing import check_decoder, check_sink, check_source
from edge_infer.tuning import tuned
from edge_infer.types import Geometry, TensorSpec, Wanted
from edge_infer.wire.result_payloads import WireResult

MODEL = Path(__file__).resolve().parents[2] / "models/face-detection"
CONFIG = f"""
version: 1
device: {{id: porch}}
sinks: [{{kind: files, folder: results}}]
pipelines:
  door:
    source: {{kind: pattern, uri: grey, size: [64, 48], frames: 5}}
    model: {{path: {MODEL}, device: cpu}}
    decode: {{kind: largest}}
"""


@pytest.fixture
def _installed(example: Path, install: Callable[..., None]) -> None:
    install(example)


def results(folder: Path) -> list[WireResult]:
    files = sorted(folder.iterdir(), key=lambda path: int(path.stem))
    return [msgspec.json.decode(path.read_bytes(), type=WireResult) for path in files]


@pytest.mark.usefixtures("_installed")
def test_its_source_is_one() -> None:
    check_source(lambda: open_source("pattern:bars", frames=5))


@pytest.mark.usefixtures("_installed")
def test_its_source_of_samples_is_one_and_gives_windows() -> None:
    check_source(lambda: open_source("pendulum:", rate_hz=50))
    with open_source("pendulum:", seconds=3.5) as source:
        windows = list(Windows(source, Wanted(samples=10, hop=5, rate_hz=10.0, channels=2)))
    assert [window.span.start for window in windows if window.span] == [0, 5, 10, 15, 20, 25]


@pytest.mark.usefixtures("_installed")
def test_its_decoder_is_one() -> None:
    from edge_infer_example import LargestDecoder

    specs = [TensorSpec("heat", (1, 2), np.dtype(np.uint8), (0.5,), (0,)), TensorSpec("", (3,), np.dtype(np.float32))]
    outputs = [np.array([[2, 8]], np.uint8), np.array([-3, -1, -2], np.float32)]
    geometry = Geometry((64, 48), (32, 32))
    check_decoder(lambda: LargestDecoder(specs), outputs, geometry)
    found = {one.name: one.value for one in LargestDecoder(specs)(outputs, geometry)}
    assert found == {"heat": 4.0, "output_1": -1.0}


@pytest.mark.usefixtures("_installed")
def test_its_sink_is_one(tmp_path: Path) -> None:
    from edge_infer_example import FilesSettings, FilesSink

    check_sink(lambda: FilesSink(FilesSettings(folder=tmp_path / "out")), lambda: results(tmp_path / "out"))


@pytest.mark.usefixtures("_installed")
def test_a_sink_in_a_thread_of_its_own_is_one(tmp_path: Path) -> None:
    from edge_infer_example import FilesSettings

    settings = [FilesSettings(folder=tmp_path / "out"), FilesSettings(folder=tmp_path / "second")]
    sinks = make_sinks(settings)
    assert [sink.name for sink in sinks] == ["files", "files-2"]
    sinks[1].close()
    check_sink(lambda: sinks[0], lambda: results(tmp_path / "out"))


@pytest.mark.usefixtures("_installed")
def test_its_decoder_is_found_by_its_name() -> None:
    with edge_infer.load(MODEL, kind="largest", device="cpu") as model:
        result = model(np.zeros((48, 64, 3), np.uint8))
    assert model.task == "regress"
    assert len(result) == len(model.runtime.outputs)


@pytest.mark.usefixtures("_installed")
def test_its_options_are_checked_like_those_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        CONFIG.replace("uri: grey", "uri: blue").replace("frames: 5", "frame: 5").replace("folder", "foldr")
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    said = "\n".join(problem.message for problem in caught.value.problems)
    assert "pipelines.door.source: unknown key 'frame', did you mean 'frames'?" in said
    assert "pipelines.door.source.uri: expected text that matches ^(bars|grey)$, found the text 'blue'" in said
    assert "sinks[0]: unknown key 'foldr', did you mean 'folder'?" in said
    assert {problem.line for problem in caught.value.problems} == {4, 7}
    with pytest.raises(UsageError, match="a source of kind pattern has no option fps; it has size, frames"):
        open_source("pattern:bars", fps=3)
    with pytest.raises(UsageError, match="an option of the source"):
        open_source("pattern:blue")


@pytest.mark.usefixtures("_installed")
def test_a_path_in_its_options_counts_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert load_settings(tmp_path / "config.yaml").sinks[0].folder == tmp_path / "results"


@pytest.mark.usefixtures("_installed")
def test_a_pipeline_with_its_source_can_be_tuned(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    pipeline = load_settings(tmp_path / "config.yaml").pipelines["door"]
    assert tuned(pipeline, {"min_score": 0.25}).source == pipeline.source
    assert tuned(pipeline, {"min_score": 0.25}).decode.min_score == 0.25
    with pytest.raises(UsageError, match="a source of kind pattern has no fps"):
        tuned(pipeline, {"fps": 1})


@pytest.mark.usefixtures("_installed")
def test_a_kind_that_nobody_brings_is_told_with_all_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        CONFIG.replace("kind: pattern", "kind: patern").replace("kind: files", "kind: x")
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "config.yaml")
    sink, source = (problem.message for problem in caught.value.problems)
    assert "expected one of camera, picamera," in source
    assert "pattern, pendulum, found the text 'patern', did you mean 'pattern'?" in source
    assert sink == "sinks[0].kind: expected files, found the text 'x'"


def edge_infer_command(example: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "edge_infer", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(example)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_works_in_the_daemon(example: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    ran = edge_infer_command(example, "run", "--config", tmp_path / "config.yaml")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    found = results(tmp_path / "results")
    assert [one.frame for one in found] == list(range(5))
    assert {one.task for one in found} == {"regress"}
    checked = edge_infer_command(example, "check", "--config", tmp_path / "config.yaml")
    assert checked.returncode == 0, checked.stdout
    assert "pattern gives 64x48" in checked.stdout


def test_it_works_from_the_command_line(example: Path) -> None:
    ran = edge_infer_command(
        example, "run", "--source", "pattern:grey", "--model", MODEL, "--device", "cpu", "--decoder", "largest"
    )
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(lines) == 10
    assert {line["task"] for line in lines} == {"regress"}
