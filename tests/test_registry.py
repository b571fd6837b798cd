"""Sources from an address and options."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tflite_writer import ADD, Graph, Op, Tensor, model_bytes

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.cli.main import main
from edge_infer.errors import ModelError, UsageError
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.registry import load_model, open_source, source_settings
from edge_infer.sources.settings import CameraSettings, StreamSettings

BUNDLE = Path(__file__).resolve().parents[1] / "models/face-detection"
SAMPLE = BUNDLE / "sample.jpg"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"fps": "fast"}, "Expected `float`"),
        ({"fps": -1.0}, "`float` > 0"),
        ({"size": (64,)}, "length 2"),
        ({"frames": 0}, ">= 1"),
        ({"colour": "red"}, "has no option colour; it has size, fps, focus, frames"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        open_source(SAMPLE, kind="still", **options)


def test_options_reach_the_source() -> None:
    with open_source(SAMPLE, kind="still", size=(64, 48), fps=500, frames=2) as source:
        assert [frame.size for frame in source] == [(64, 48), (64, 48)]


def test_an_address_becomes_what_a_configuration_would_say() -> None:
    assert source_settings(0, fps=5) == CameraSettings(uri="/dev/video0", fps=5.0)
    assert source_settings("rtsp://porch/a") == StreamSettings(uri="rtsp://porch/a")


def test_a_message_about_an_option_shows_no_password() -> None:
    with pytest.raises(UsageError) as caught:
        source_settings("rtsp://me:secret@porch/a", fps=-1)
    assert "secret" not in str(caught.value)


def test_the_command_line_is_checked_like_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", "0", "--model", str(BUNDLE), "--fps", "-1"]) == 64
    assert "an option of the source 0 is wrong: Expected `float` > 0.0" in capsys.readouterr().err


def test_a_model_that_remembers_runs_in_one_worker_only(tmp_path: Path) -> None:
    side = (1, 2, 2, 3)
    tensors = [Tensor(name, side) for name in ("image", "state_in", "state_out")]
    graph = Graph(tensors, ["image", "state_in"], ["state_out"], [Op(ADD, ["image", "state_in"], ["state_out"])])
    path = tmp_path / "remembers.tflite"
    path.write_bytes(model_bytes(graph))
    settings = PipelineSettings(
        source=source_settings(0),
        model=ModelSettings(path=path, workers=2),
        prepare=Prepare(mean=(0.0,), std=(1.0,)),
        decode=Decode(kind="tensors"),
    )
    with pytest.raises(ModelError, match=r"remembers what it saw before: .* set workers: 1"):
        load_model(settings)
    with load_model(replace(settings, model=ModelSettings(path=path))) as model:
        assert model.recipe.state == {"state_in": "state_out"}
