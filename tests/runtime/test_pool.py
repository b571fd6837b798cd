"""Which accelerators a device string means, and models that share them (a fake one, on real processes)."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_tpu import FakeTpu, owners
from waiting import DEADLINE, until

from edge_infer.bundle.model_file import ModelFile, read_model
from edge_infer.errors import DelegateError
from edge_infer.runtime.delegate import Accelerator
from edge_infer.runtime.isolated.runtime import IsolatedRuntime
from edge_infer.runtime.libraries import find_library
from edge_infer.runtime.pool import accelerators, isolated
from edge_infer.types import Array

Plug = Callable[..., None]
USB, PCI = Accelerator("usb", "/sys/bus/usb/devices/1-1"), Accelerator("pci", "/dev/apex_0")


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch, tpu: FakeTpu) -> Plug:
    """Say which accelerators the system shows."""

    def say(*found: Accelerator) -> None:
        monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", lambda: list(found))
        monkeypatch.setenv("FAKE_EDGETPU_COUNT", "2")

    return say


@pytest.fixture
def model(models: Path) -> ModelFile:
    return read_model(models / "mobilenet_v1_0.25_128_quant_edgetpu.tflite")


def on(device: str, model: ModelFile, tpu: FakeTpu) -> IsolatedRuntime:
    return isolated(model, device, find_library(), delegate=tpu.library)


def run_in_vain(runtime: IsolatedRuntime, inputs: list[Array]) -> None:
    with pytest.raises(DelegateError):
        runtime.run(inputs)


@pytest.mark.parametrize(
    ("device", "found", "meant"),
    [
        ("edgetpu", [], ["edgetpu"]),
        ("edgetpu:usb:1", [], ["edgetpu:usb:1"]),
        ("auto", [USB, USB], ["edgetpu:usb:0", "edgetpu:usb:1"]),
        ("edgetpu", [PCI, USB], ["edgetpu:pci:0", "edgetpu:usb:0"]),
        ("edgetpu:usb", [PCI, USB, USB], ["edgetpu:usb:0", "edgetpu:usb:1"]),
        ("edgetpu:pci", [PCI, USB], ["edgetpu:pci:0"]),
        ("edgetpu:usb:1", [USB, USB], ["edgetpu:usb:1"]),
        ("edgetpu:1", [PCI, USB], ["edgetpu:usb:0"]),
    ],
)
def test_a_device_string_means_these(
    device: str, found: list[Accelerator], meant: list[str], plugged_in: Plug, model: ModelFile, tpu: FakeTpu
) -> None:
    plugged_in(*found)
    runtime = on(device, model, tpu)
    try:
        assert list(accelerators()) == meant
        assert runtime.device == meant[0]
        assert len(owners()) == 1 + len(meant)
    finally:
        runtime.close()


def test_a_model_runs_on_several_accelerators_at_a_time(plugged_in: Plug, model: ModelFile, tpu: FakeTpu) -> None:
    plugged_in(USB, USB)
    workers = [on("edgetpu", model, tpu) for _ in range(4)]
    try:
        picture = [np.full(workers[0].inputs[0].shape, 1, np.uint8)]
        seen: list[str] = []
        deadline = time.monotonic() + DEADLINE

        def work(runtime: IsolatedRuntime) -> None:
            while (len(seen) < 80 or len(set(seen)) < 2) and time.monotonic() < deadline:
                (output,) = runtime.run(picture)
                assert np.flatnonzero(output).tolist() == [128 * 128 * 3 % 1001]
                seen.append(runtime.device)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(seen) == {"edgetpu:usb:0", "edgetpu:usb:1"}
        assert sum(unit.invokes for unit in accelerators().values()) == len(seen)
        assert {unit.started for unit in accelerators().values()} == {1}
    finally:
        for worker in workers:
            worker.close()


def test_one_of_two_that_fails_leaves_the_work_to_the_other(plugged_in: Plug, model: ModelFile, tpu: FakeTpu) -> None:
    plugged_in(USB, USB)
    runtime = on("edgetpu", model, tpu)
    try:
        picture = [np.zeros(runtime.inputs[0].shape, np.uint8)]
        tpu.fail("hang")
        with pytest.raises(DelegateError):
            runtime.run(picture)
        runtime.run(picture)
        assert runtime.device == "edgetpu:usb:1"
    finally:
        runtime.close()


def test_what_is_not_free_in_time_is_a_timeout(model: ModelFile, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.runtime.isolated.runtime.TURN_S", 0.05)
    one, other = on("edgetpu", model, tpu), on("edgetpu", model, tpu)
    try:
        tpu.fail("hang")
        picture = [np.zeros(one.inputs[0].shape, np.uint8)]
        hangs = threading.Thread(target=run_in_vain, args=(one, picture))
        hangs.start()
        until(lambda: tpu.has_failed)
        with pytest.raises(DelegateError, match=r"edgetpu was not free within 0\.05 s: too many use it"):
            other.run(picture)
        hangs.join()
    finally:
        one.close()
        other.close()
