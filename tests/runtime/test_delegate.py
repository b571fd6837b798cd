import ctypes.util
import shutil
import threading
from pathlib import Path

import pytest

from edge_infer.errors import DelegateError, UsageError
from edge_infer.runtime import delegate
from edge_infer.runtime.delegate import Accelerator, await_firmware, check_device, find_accelerators, load_edgetpu
from edge_infer.runtime.libraries import find_library


@pytest.mark.parametrize(
    "device", ["auto", "cpu", "edgetpu", "edgetpu:usb", "edgetpu:pci", "edgetpu:0", "edgetpu:usb:1", "edgetpu:pci:12"]
)
def test_a_known_device_is_taken_as_it_is(device: str) -> None:
    assert check_device(device) == device


@pytest.mark.parametrize(
    "device", ["", "gpu", "CPU", "usb", "edgetpu:", "edgetpu:x", "edgetpu:usb:", "cpu ", "edgetpu\n"]
)
def test_an_unknown_device_is_refused_with_the_known_ones(device: str) -> None:
    with pytest.raises(UsageError, match=r"use auto, cpu, external or edgetpu\[:usb\|:pci\]\[:N\]"):
        check_device(device)


def usb_device(root: Path, name: str, vendor: str, product: str | None) -> Path:
    folder = root / "sys/bus/usb/devices" / name
    folder.mkdir(parents=True)
    (folder / "idVendor").write_text(f"{vendor}\n")
    if product is not None:
        (folder / "idProduct").write_text(f"{product}\n")
    return folder


def test_accelerators_are_found_on_both_buses_before_and_after_their_firmware_is_loaded(tmp_path: Path) -> None:
    fresh = usb_device(tmp_path, "1-1", "1a6e", "089a")
    loaded = usb_device(tmp_path, "1-2", "18d1", "9302")
    usb_device(tmp_path, "1-3", "046d", "0825")
    usb_device(tmp_path, "1-4", "1a6e", "9302")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/apex_0").touch()
    assert find_accelerators(tmp_path) == [
        Accelerator("pci", str(tmp_path / "dev/apex_0")),
        Accelerator("usb", str(fresh), ready=False),
        Accelerator("usb", str(loaded)),
    ]


def test_no_accelerator_is_found_where_there_is_none(tmp_path: Path) -> None:
    assert find_accelerators(tmp_path) == []


def test_a_usb_accelerator_is_awaited_until_its_firmware_is_loaded(tmp_path: Path) -> None:
    fresh = usb_device(tmp_path, "1-1", "1a6e", "089a")
    over = threading.Event()
    waiting = threading.Thread(target=lambda: (await_firmware(tmp_path), over.set()))
    waiting.start()
    assert not over.wait(0.1)
    shutil.rmtree(fresh)  # off the bus
    usb_device(tmp_path, "1-2", "18d1", "9302")
    assert over.wait(20.0)
    waiting.join()


def test_one_that_never_comes_back_is_not_awaited_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usb_device(tmp_path, "1-1", "1a6e", "089a")
    monkeypatch.setattr(delegate, "FIRMWARE_S", 0.1)
    await_firmware(tmp_path)
    assert not find_accelerators(tmp_path)[0].ready


def test_a_device_that_is_being_unplugged_is_passed_over(tmp_path: Path) -> None:
    usb_device(tmp_path, "1-1", "1a6e", None)
    there = usb_device(tmp_path, "1-2", "1a6e", "089a")
    assert [found.path for found in find_accelerators(tmp_path)] == [str(there)]


@pytest.mark.parametrize("device", ["edgetpu", "edgetpu:usb", "edgetpu:pci:0", "edgetpu:0"])
def test_the_delegate_understands_every_device(fake_edgetpu: str, device: str) -> None:
    assert load_edgetpu(find_library(), device, fake_edgetpu)


@pytest.mark.parametrize(("device", "there"), [("edgetpu:usb:1", 1), ("edgetpu:2", 2), ("edgetpu", 0)])
def test_a_device_that_is_not_there_is_refused_with_advice(
    fake_edgetpu: str, device: str, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", str(there))
    with pytest.raises(DelegateError, match=f"the Edge TPU '{device}' does not start.*edge-infer devices"):
        load_edgetpu(find_library(), device, fake_edgetpu)


def test_the_second_device_is_there_where_there_are_two(fake_edgetpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "2")
    assert load_edgetpu(find_library(), "edgetpu:usb:1", fake_edgetpu)


def test_a_missing_library_is_named_with_advice() -> None:
    with pytest.raises(DelegateError, match=r"no Edge TPU: .*libnot_there\.so.*Install libedgetpu1-std"):
        load_edgetpu(find_library(), "edgetpu", "libnot_there.so")


def test_a_library_that_is_no_delegate_is_refused() -> None:
    libc = ctypes.util.find_library("c")
    assert libc is not None
    with pytest.raises(DelegateError, match=r"no Edge TPU: .*tflite_plugin_create_delegate"):
        load_edgetpu(find_library(), "edgetpu", libc)
