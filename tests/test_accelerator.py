"""Models on an accelerator, and what runs them where there is none (EDGE_INFER_RUNTIME says on which runtime)."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from fake_tpu import FakeTpu

from edge_infer.errors import DelegateError, ModelError
from edge_infer.loading import load

BOTH = "mobilenet_v1_0.25_128_quant.tflite"  # its twin lies beside it
TWIN = "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
SSD = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"  # has none


@pytest.fixture
def nothing_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", list)


PICTURE = np.full((128, 128, 3), 3, np.uint8)


def test_a_model_for_the_accelerator_runs_there(models: Path, fake_edgetpu: str) -> None:
    with load(models / BOTH, delegate=fake_edgetpu, top_k=1) as model:
        (best,) = model(PICTURE)
        assert (model.device, model.fallback_reason, model.status) == ("edgetpu", None, "ok")
        assert model.id.sha256 == hashlib.sha256((models / TWIN).read_bytes()).hexdigest()
    assert best.class_id == 3 * PICTURE.size % 1001


@pytest.mark.parametrize("device", ["edgetpu:usb:1", "edgetpu:1"])
def test_one_of_several_accelerators_can_be_chosen(
    models: Path, fake_edgetpu: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "2")
    with load(models / BOTH, device=device, delegate=fake_edgetpu) as model:
        assert model.device == device


@pytest.mark.usefixtures("nothing_plugged_in")
def test_without_an_accelerator_the_cpu_does_it_and_nothing_is_wrong(models: Path) -> None:
    with load(models / BOTH) as model:
        result = model(PICTURE)
        assert model.fallback_reason == "no Edge TPU is plugged in"
    assert (result.device, result.status, result.error) == ("cpu", "ok", None)


def test_where_the_accelerator_refuses_the_cpu_does_it_and_results_say_why(
    models: Path, fake_edgetpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "0")
    with load(models / BOTH, delegate=fake_edgetpu) as model:
        result = model(PICTURE)
        assert model.fallback_reason is not None
    assert (result.device, result.status, result.error) == ("cpu", "degraded", model.fallback_reason)
    assert "the Edge TPU 'edgetpu' does not start" in model.fallback_reason


def test_an_accelerator_that_must_do_it_is_not_replaced(
    models: Path, fake_edgetpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "0")
    with pytest.raises(DelegateError, match=r"does not start.*_edgetpu\.tflite is compiled for it"):
        load(models / BOTH, device="edgetpu", delegate=fake_edgetpu)


def test_where_nothing_may_stand_in_a_failure_is_an_error_and_the_next_frame_is_answered(
    models: Path, tpu: FakeTpu
) -> None:
    with load(models / BOTH, delegate=tpu.library, stand_in=False) as model:
        tpu.fail("error")
        with pytest.raises(DelegateError, match="USB transfer error"):
            model(PICTURE)
        assert model.heals
        assert model(PICTURE).status == "ok"


def test_in_our_own_process_a_failure_is_an_error(models: Path, tpu: FakeTpu) -> None:
    with load(models / BOTH, delegate=tpu.library, isolated=False) as model:
        tpu.fail("error")
        with pytest.raises(DelegateError, match="USB transfer error"):
            model(PICTURE)
        assert not model.heals


def test_the_cpu_can_be_asked_for(models: Path, fake_edgetpu: str) -> None:
    with load(models / BOTH, device="cpu", delegate=fake_edgetpu) as model:
        assert (model.device, model.fallback_reason) == ("cpu", None)


@pytest.mark.usefixtures("nothing_plugged_in")
@pytest.mark.parametrize("device", ["auto", "edgetpu"])
def test_a_file_for_the_accelerator_alone_needs_one(models: Path, device: str) -> None:
    with pytest.raises(DelegateError, match="runs on nothing else"):
        load(models / "keras_lstm_mnist_ptq_edgetpu.tflite", device=device, delegate=None)


def test_a_file_for_the_accelerator_alone_does_not_run_on_the_cpu(models: Path) -> None:
    with pytest.raises(ModelError, match="the CPU cannot run it: give the file it came from"):
        load(models / "keras_lstm_mnist_ptq_edgetpu.tflite", device="cpu")


def test_a_model_that_has_no_file_for_the_accelerator_says_so(models: Path, fake_edgetpu: str) -> None:
    with pytest.raises(ModelError, match="has no file for the Edge TPU"):
        load(models / SSD, device="edgetpu", delegate=fake_edgetpu)
