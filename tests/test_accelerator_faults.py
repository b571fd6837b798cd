"""Accelerators that hang, crash, refuse, lie or disappear: what it costs a frame, and how long it takes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_tpu import CRASHES, FakeTpu, files_and_memory, owners
from waiting import DEADLINE, until

from edge_infer.errors import DelegateError, DelegateTimeoutError, ModelError
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.runtime.isolated import generation, job, quarantine
from edge_infer.runtime.isolated.unit import Unit
from edge_infer.runtime.pool import accelerators
from edge_infer.types import Array, Result

BOTH = "mobilenet_v1_0.25_128_quant.tflite"
FAULTS = ("hang", "error", *CRASHES)
KINDS = {"hang": "hang", "error": "error"} | dict.fromkeys(CRASHES, "crash")
Measured = Callable[[str], None]


def picture(number: int) -> Array:
    return np.full((128, 128, 3), number, np.uint8)


def is_about(result: Result, number: int) -> bool:
    """Whether the accelerator's answer is about this picture."""
    return bool(next(iter(result)).class_id == number * 128 * 128 * 3 % 1001)


def the_unit() -> Unit:
    (unit,) = accelerators().values()
    return unit


@pytest.fixture
def model(models: Path, tpu: FakeTpu) -> Iterator[Model]:
    """On an accelerator, with the CPU to stand in."""
    with load(models / BOTH, delegate=tpu.library, top_k=1) as model:
        yield model


@pytest.fixture
def alone(models: Path, tpu: FakeTpu) -> Iterator[Model]:
    """On an accelerator, and nothing else."""
    with load(models / BOTH, delegate=tpu.library, top_k=1, stand_in=False) as model:
        yield model


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cpu_answers_while_an_accelerator_that_failed_is_replaced(
    model: Model, tpu: FakeTpu, fault: str, measured: Measured
) -> None:
    assert is_about(model(picture(1)), 1)
    tpu.fail(fault)
    started = time.monotonic()
    result = model(picture(2))
    took = time.monotonic() - started
    measured(f"accelerator: {fault}: {took:.3f} s from the fault to the next result, the CPU's")
    assert tpu.has_failed
    assert (result.device, result.status, len(result)) == ("cpu", "degraded", 1)
    assert result.error == model.fallback_reason
    assert result.timings_ms["failed"] > 0
    assert the_unit().faults == {KINDS[fault]: 1}
    until(lambda: is_back(model))
    measured(f"accelerator: {fault}: {time.monotonic() - started:.3f} s until the accelerator answers again")
    assert model.fallback_reason is None


def is_back(model: Model) -> bool:
    result = model(picture(3))
    return result.device == "edgetpu" and result.status == "ok" and is_about(result, 3)


@pytest.mark.parametrize("fault", FAULTS)
def test_where_nothing_stands_in_one_frame_has_no_answer_and_the_next_has(
    alone: Model, tpu: FakeTpu, fault: str, measured: Measured
) -> None:
    tpu.fail(fault)
    started = time.monotonic()
    with pytest.raises(DelegateTimeoutError if fault == "hang" else DelegateError, match="edgetpu: "):
        alone(picture(2))
    assert is_about(alone(picture(3)), 3)
    measured(f"accelerator, no stand-in: {fault}: {time.monotonic() - started:.3f} s from the fault to the next result")


def test_how_a_process_died_and_what_it_said_is_told(alone: Model, tpu: FakeTpu) -> None:
    tpu.fail("abort")
    with pytest.raises(DelegateError, match="its process died"):
        alone(picture(1))
    alone(picture(1))
    assert the_unit().last_fault == (
        "its process died (killed by SIGABRT, after it said: F driver/usb/usb_driver.cc:1148] HandleQueuedBulkIn "
        "transfer in failed)"
    )


@pytest.mark.parametrize("fault", ["refuse", "start-abort", "start-segfault"])
def test_a_first_load_that_fails_is_tried_again_at_once(models: Path, tpu: FakeTpu, fault: str) -> None:
    tpu.fail(fault)
    with load(models / BOTH, delegate=tpu.library, stand_in=False) as model:
        assert model.device == "edgetpu"
        assert (the_unit().started, the_unit().faults) == (2, {})


def test_a_start_that_hangs_is_given_up_and_tried_again_in_the_background(
    models: Path, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "LOAD_S", 0.5)
    tpu.fail("start-hang")
    with load(models / BOTH, delegate=tpu.library) as model:
        assert (model.device, model.status) == ("cpu", "degraded")
        until(lambda: is_back(model))
        assert the_unit().faults == {"hang": 1}


def test_an_accelerator_that_is_unplugged_comes_back_when_it_is_plugged_in(model: Model, tpu: FakeTpu) -> None:
    tpu.unplug()
    assert model(picture(1)).device == "cpu"
    until(lambda: the_unit().faults["load"] > 0)
    assert model(picture(1)).device == "cpu"
    assert "does not start" in str(model.fallback_reason)
    tpu.plug_in()
    until(lambda: is_back(model))


def test_an_accelerator_that_answers_otherwise_than_before_is_not_trusted(model: Model, tpu: FakeTpu) -> None:
    model(picture(1))
    tpu.unplug()
    model(picture(1))
    until(lambda: the_unit().faults["load"] > 0)
    tpu.fail("lie")
    tpu.plug_in()
    until(lambda: the_unit().faults["lie"] > 0)
    assert tpu.has_failed
    until(lambda: is_back(model))


def test_after_failures_in_a_row_it_rests_and_the_cpu_goes_on(
    model: Model, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "REST_S", 1.0)
    tpu.unplug()
    model(picture(1))
    until(lambda: the_unit().state == "quarantined")
    assert the_unit().retry_in_s is not None
    assert (model(picture(2)).device, model.status) == ("cpu", "degraded")
    tpu.plug_in()
    until(lambda: is_back(model))
    assert the_unit().retry_in_s is None


def test_an_accelerator_that_is_there_only_later_is_used_then(
    models: Path, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_infer.runtime.isolated.unit.LOOK_S", 0.1)
    there = False
    monkeypatch.setattr("edge_infer.runtime.delegate.EDGETPU_LIBRARY", tpu.library)
    monkeypatch.setattr("edge_infer.runtime.pool._names", lambda: ["edgetpu"] if there else [])
    with load(models / BOTH, top_k=1) as model:
        assert (model.device, model.status, model.fallback_reason) == ("cpu", "ok", "no Edge TPU is plugged in")
        there = True
        until(lambda: the_unit().state != "absent")


def test_two_models_share_an_accelerator_and_its_fate(models: Path, tpu: FakeTpu) -> None:
    with (
        load(models / BOTH, delegate=tpu.library, top_k=1, stand_in=False) as one,
        load(models / "keras_lstm_mnist_ptq_edgetpu.tflite", delegate=tpu.library, kind="tensors") as other,
    ):
        assert the_unit().started == 1
        pid = the_unit().pid
        tpu.fail("segfault")
        with pytest.raises(DelegateError):
            one(picture(1))
        assert other(picture(1)).status == "ok"
        assert is_about(one(picture(2)), 2)
        assert the_unit().started == 2
        assert the_unit().pid != pid


def test_a_model_that_goes_leaves_the_accelerator_to_the_others(models: Path, tpu: FakeTpu) -> None:
    with load(models / BOTH, delegate=tpu.library, top_k=1, stand_in=False) as stays:
        with load(models / BOTH, delegate=tpu.library, top_k=1, stand_in=False) as goes:
            assert is_about(goes(picture(1)), 1)
        assert is_about(stays(picture(2)), 2)
        assert the_unit().started == 1
    assert accelerators() == {}


def test_a_model_that_is_replaced_on_the_disk_is_not_taken_for_the_old_one(
    models: Path, tmp_path: Path, tpu: FakeTpu
) -> None:
    path = tmp_path / "model_edgetpu.tflite"
    path.write_bytes((models / BOTH.replace("quant", "quant_edgetpu")).read_bytes())
    with load(path, delegate=tpu.library, top_k=1) as model:
        path.write_bytes((models / "keras_lstm_mnist_ptq_edgetpu.tflite").read_bytes())
        tpu.fail("exit")
        with pytest.raises(DelegateError):
            model(picture(1))
        with pytest.raises(ModelError, match="was replaced while it was in use: load the model again"):
            model(picture(1))


def test_a_model_of_the_cpu_may_be_isolated_too(models: Path, tpu: FakeTpu) -> None:
    with load(models / BOTH, device="cpu") as here, load(models / BOTH, device="cpu", isolated=True) as apart:
        assert apart.heals
        assert len(owners()) == 2
        answers = [model(picture(9)).prediction for model in (here, apart)]
        assert np.array_equal(*(answer.scores for answer in answers))  # type: ignore[union-attr]
        assert accelerators() == {}


def test_any_external_delegate_is_isolated(models: Path, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_CLAIM", "all")
    options = {"device": "usb"}
    with load(models / BOTH, device="external", delegate=tpu.library, delegate_options=options, stand_in=True) as model:
        assert is_about(model(picture(5)), 5)
        assert model.device == "external"
        tpu.fail("abort")
        assert (model(picture(5)).device, model.status) == ("cpu", "degraded")


def test_an_external_delegate_needs_its_library(models: Path) -> None:
    with pytest.raises(DelegateError, match=r"no external delegate: .*libnot_there\.so.*Check `delegate`"):
        load(models / BOTH, device="external", delegate="libnot_there.so")


@pytest.mark.timeout(600)
def test_after_500_faults_in_a_row_nothing_is_left_and_no_answer_went_astray(
    alone: Model, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch, measured: Measured
) -> None:
    faults = 500
    monkeypatch.setattr(quarantine, "PAUSES_S", (0.0,))
    monkeypatch.setattr(quarantine, "REST_S", 0.0)
    monkeypatch.setattr(job, "DEADLINE_P99S", 0.0)
    tpu.fail("abort")
    with pytest.raises(DelegateError):
        alone(picture(0))
    alone(picture(0))
    before = files_and_memory()
    started = time.monotonic()
    for number in range(1, faults + 1):
        fault = FAULTS[number % len(FAULTS)]
        if fault == "hang":  # by a signal: one that is ordered might be taken after this deadline, and hit the next
            pid = the_unit().pid
            assert pid
            os.kill(pid, signal.SIGSTOP)
        else:
            tpu.fail(fault)
        monkeypatch.setattr(job, "DEADLINE_S", 0.25 if fault == "hang" else DEADLINE)
        with pytest.raises(DelegateError):
            alone(picture(number % 256))
        monkeypatch.setattr(job, "DEADLINE_S", DEADLINE)  # a machine that stalls is no fault
        assert is_about(alone(picture((number + 1) % 256)), (number + 1) % 256)
    took = time.monotonic() - started
    measured(f"accelerator: {faults} faults in a row in {took:.1f} s, {took / faults * 1e3:.0f} ms each")
    assert the_unit().faults == {"hang": 100, "error": 100, "crash": 301}
    assert sorted(line.split()[0] for line in owners()) == ["ei-accelerator", "ei-launcher"]
    assert files_and_memory() == before
