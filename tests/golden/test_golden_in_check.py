"""`check` and `doctor` hold a model to its golden test as its bundle says, whatever a pipeline makes of it."""

import re
import shutil
from pathlib import Path

import pytest

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.errors import ModelError
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.sources.settings import PiCameraSettings
from edge_infer.tools.trial import model_trial

FACES = Path(__file__).resolve().parents[2] / "models/face-detection"


def pipeline(path: Path, prepare: Prepare | None = None, decode: Decode | None = None) -> PipelineSettings:
    return PipelineSettings(
        source=PiCameraSettings(),
        model=ModelSettings(path=path, device="cpu"),
        prepare=prepare or Prepare(),
        decode=decode or Decode(),
    )


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"decode": Decode(min_score=0.99)},
        {"decode": Decode(deny=("face",))},
        {"prepare": Prepare(roi=(400, 300, 600, 460))},
    ],
)
def test_what_a_pipeline_changes_is_none_of_the_golden_tests(said: dict[str, Prepare | Decode]) -> None:
    assert "golden test passed" in model_trial(pipeline(FACES, **said)).detail  # type: ignore[arg-type]


def test_a_pipeline_of_a_bare_file_is_tried_as_it_is() -> None:
    trial = model_trial(pipeline(FACES / "model.tflite", decode=Decode(kind="tensors")))
    assert re.match(r"model, tensors, on cpu .*, no golden test, ", trial.detail)


def test_a_bundle_that_does_not_do_what_it_should_fails(tmp_path: Path) -> None:
    shutil.copytree(FACES, tmp_path / "faces")
    manifest = tmp_path / "faces/manifest.yaml"
    manifest.write_text(manifest.read_text().replace("std: [127.5]", "std: [20.0]"))
    with pytest.raises(
        ModelError, match=r"face-detection@1\.0\.0 does not do what its golden test expects: picture 0: "
    ):
        model_trial(pipeline(tmp_path / "faces", decode=Decode(min_score=0.9)))
