"""On the runtime in force; the suite is run once with each (EDGE_INFER_RUNTIME)."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_tpu import FakeTpu

from edge_infer.bundle.model_file import read_model
from edge_infer.errors import DelegateError, ModelError
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.runtime.libraries import find_library
from edge_infer.types import Array

SMALL = "mobilenet_v1_0.25_128_quant.tflite"
FOR_EDGETPU = "mobilenet_v1_0.25_128_quant_edgetpu.tflite"


def zeros(runtime: InterpreterRuntime) -> list[Array]:
    return [np.zeros(spec.shape, spec.dtype) for spec in runtime.inputs]


def test_a_model_runs_on_the_runtime_in_force(models: Path) -> None:
    runtime = InterpreterRuntime(read_model(models / SMALL))
    assert runtime.device == "cpu"
    assert runtime.library == str(find_library())
    (spec,) = runtime.inputs
    assert spec.shape == (1, 128, 128, 3)
    assert spec.scale == pytest.approx((1 / 128,))
    assert spec.zero_point == (128,)
    (output,) = runtime.run(zeros(runtime))
    assert output.shape == (1, 1001)
    assert output.dtype == np.uint8


def test_the_interpreter_and_the_file_say_the_same_of_tensors(models: Path) -> None:
    model = read_model(models / SMALL)
    runtime = InterpreterRuntime(model)
    assert runtime.inputs == model.inputs
    assert [(spec.shape, spec.dtype, spec.scale) for spec in runtime.outputs] == [
        (spec.shape, spec.dtype, spec.scale) for spec in model.outputs
    ]


def test_sizes_that_the_model_decides_are_known_after_the_warm_up(models: Path) -> None:
    runtime = InterpreterRuntime(read_model(models / "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"))
    assert sorted(len(output.shape) for output in runtime.warm_outputs) == [1, 2, 2, 3]


def test_several_threads_give_the_same_answer(models: Path) -> None:
    model = read_model(models / SMALL)
    runtimes = [InterpreterRuntime(model, threads=threads) for threads in (1, 2)]
    outputs = [runtime.run(zeros(runtime))[0] for runtime in runtimes]
    assert np.array_equal(*outputs)


def test_loading_says_nothing_on_stderr_but_in_the_debug_log(models: Path) -> None:
    script = (
        "import logging, sys; logging.basicConfig(level=logging.DEBUG, stream=sys.stdout);"
        "from edge_infer.bundle.model_file import read_model;"
        "from edge_infer.runtime.interpreter import InterpreterRuntime;"
        f"InterpreterRuntime(read_model({str(models / SMALL)!r}))"
    )
    # A process of its own: the runtimes speak when they load their first model.
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == ""
    if find_library().name == "ai_edge_litert":  # the other one says nothing of itself
        assert "runtime says: INFO: Created TensorFlow Lite XNNPACK delegate" in ended.stdout


def test_an_op_that_nobody_has_is_named(models: Path) -> None:
    with pytest.raises(ModelError, match=r"model_invoking_error\.tflite"):
        InterpreterRuntime(read_model(models / "model_invoking_error.tflite"))


def test_a_model_for_the_edgetpu_does_not_run_on_the_cpu(models: Path) -> None:
    with pytest.raises(ModelError, match="needs the custom op edgetpu-custom-op"):
        InterpreterRuntime(read_model(models / FOR_EDGETPU))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9, 0.95])
def test_a_truncated_model_never_reaches_the_runtime(models: Path, tmp_path: Path, share: float) -> None:
    """tflite-runtime would end the process with a segmentation fault."""
    whole = (models / SMALL).read_bytes()
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        read_model(cut)


def test_garbage_never_reaches_the_runtime(models: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes((models / SMALL).read_bytes()[:8] + np.random.default_rng(1).bytes(5000))
    with pytest.raises(ModelError, match=r"damaged\.tflite"):
        read_model(damaged)


@pytest.mark.parametrize("device", ["edgetpu", "edgetpu:usb:0"])
def test_a_model_runs_on_the_accelerator(models: Path, fake_edgetpu: str, device: str) -> None:
    runtime = InterpreterRuntime(read_model(models / FOR_EDGETPU), device=device, delegate=fake_edgetpu)
    assert runtime.device == device
    (output,) = runtime.run([np.full(runtime.inputs[0].shape, 1, np.uint8)])
    assert np.flatnonzero(output).tolist() == [128 * 128 * 3 % 1001]


def test_an_accelerator_that_is_unplugged_is_a_delegate_error(models: Path, tpu: FakeTpu) -> None:
    runtime = InterpreterRuntime(read_model(models / FOR_EDGETPU), device="edgetpu", delegate=tpu.library)
    runtime.run(zeros(runtime))
    tpu.unplug()
    with pytest.raises(DelegateError, match=r"_edgetpu\.tflite failed on edgetpu: .*USB transfer error"):
        runtime.run(zeros(runtime))


def test_an_accelerator_that_fails_the_warm_up_is_a_delegate_error(models: Path, tpu: FakeTpu) -> None:
    tpu.fail("error")
    with pytest.raises(DelegateError, match="failed on edgetpu"):
        InterpreterRuntime(read_model(models / FOR_EDGETPU), device="edgetpu", delegate=tpu.library)
