import hashlib
import shutil
from pathlib import Path

import pytest
from fake_tpu import FakeTpu

from edge_infer.errors import ModelError
from edge_infer.loading import load

BOTH = "mobilenet_v1_0.25_128_quant.tflite"
TWIN = "mobilenet_v1_0.25_128_quant_edgetpu.tflite"


@pytest.fixture
def bundle(models: Path, tmp_path: Path) -> Path:
    """A folder with both files of a model and a manifest."""
    digests = {}
    for name in (BOTH, TWIN):
        shutil.copy(models / name, tmp_path / name)
        digests[name] = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    (cpu, cpu_digest), (edgetpu, edgetpu_digest) = digests.items()
    (tmp_path / "manifest.yaml").write_text(
        f"""\
schema: edge-infer/bundle@1
name: animals
version: 1.2.0
sequence: 1
task: classify
license: Apache-2.0
model:
  file: {cpu}
  sha256: {cpu_digest}
  edgetpu: {{file: {edgetpu}, sha256: {edgetpu_digest}}}
decode: {{top_k: 2}}
"""
    )
    return tmp_path


def test_a_bundle_has_a_name_a_version_and_its_own_settings(bundle: Path, inputs: Path) -> None:
    with load(bundle, device="cpu") as model:
        assert str(model.id) == "animals@1.2.0"
        assert len(model(inputs / "cat.bmp")) == 2


def test_a_file_that_is_not_the_one_of_the_manifest_is_refused(bundle: Path, models: Path) -> None:
    shutil.copy(models / "keras_lstm_mnist_ptq.tflite", bundle / BOTH)
    with pytest.raises(ModelError, match=r"is not the file that its manifest\.yaml describes"):
        load(bundle, device="cpu")


def test_a_bundle_falls_back_to_its_own_file_for_the_cpu(bundle: Path, tpu: FakeTpu) -> None:
    with load(bundle, delegate=tpu.library) as model:
        assert model.device == "edgetpu"
    tpu.unplug()
    with load(bundle, delegate=tpu.library) as model:
        assert (model.device, model.status) == ("cpu", "degraded")
        assert "does not start" in (model.fallback_reason or "")
