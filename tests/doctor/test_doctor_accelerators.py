"""Edge TPUs that are slow, forbidden, without a driver, or whose library crashes, hangs or is missing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machines import COMMON, PCI_CORAL, PI_4, PI_5, Tree, one, usb_coral, write
from other_user import as_nobody, open_folder

from edge_infer.runtime.delegate import find_accelerators
from edge_infer.settings import Settings, load_settings
from edge_infer.tools.doctor import accelerator
from edge_infer.tools.doctor.accelerator import bus_of, check_edgetpus, probe
from edge_infer.tools.doctor.child import Answer
from edge_infer.tools.doctor.edgetpu_library import fits, judged, packaged
from edge_infer.tools.doctor.finding import Finding

APEX: Tree = {"dev/apex_0": "", "sys/class/apex/apex_0/temp": "50000\n"}
DPKG: Tree = {
    "var/lib/dpkg/status": "Package: libc6\nVersion: 2.36\n\nPackage: libedgetpu1-std\nStatus: x\nVersion: 16.0\n"
}


def settings(folder: Path, model: str) -> Settings:
    path = folder / "config.yaml"
    source = "{kind: picamera}"
    path.write_text(
        f"version: 1\ndevice: {{id: porch}}\npipelines:\n  door:\n    source: {source}\n    model: {{{model}}}\n"
    )
    return load_settings(path)


def test_without_one_and_without_a_model_for_one_nothing_is_wrong(tmp_path: Path) -> None:
    assert one(check_edgetpus(None, write(tmp_path, PI_4))).level == "skip"
    assert one(check_edgetpus(settings(tmp_path, "path: m.tflite"), tmp_path)).level == "skip"


@pytest.mark.parametrize("model", ["path: m.tflite, device: edgetpu", "path: m.tflite", "path: m_edgetpu.tflite"])
def test_a_model_that_waits_for_one_is_told(tmp_path: Path, model: str) -> None:
    if "device" not in model:
        (tmp_path / "m_edgetpu.tflite").touch()
    finding = one(check_edgetpus(settings(tmp_path, model), write(tmp_path, PI_4)))
    assert (finding.level, finding.detail) == ("warn", "a model is made for one, and the system shows none")
    assert "1a6e:089a or 18d1:9302" in finding.fix


def test_usb_2_is_told(tmp_path: Path) -> None:
    finding = one_of("edge tpu 0", tmp_path, PI_4, usb_coral(480))
    assert finding.level == "warn"
    assert finding.detail == "USB 2, port 2-1: an inference takes about three times as long as on USB 3"
    assert "blue port" in finding.fix


def one_of(what: str, root: Path, *trees: Tree) -> Finding:
    return next(finding for finding in check_edgetpus(None, write(root, *trees), running=True) if finding.what == what)


def test_one_that_waits_for_its_firmware_is_in_order(tmp_path: Path) -> None:
    finding = one_of("edge tpu 0", tmp_path, PI_4, usb_coral(ready=False))
    assert finding.level == "ok"
    assert finding.detail == "USB 3, port 2-1, its firmware is loaded when it is first used"


@pytest.mark.parametrize(
    ("tree", "node", "group"), [(usb_coral(), "/dev/bus/usb/002/007", "plugdev"), (APEX, "/dev/apex_0", "apex")]
)
def test_one_that_may_not_be_opened_is_told(tree: Tree, node: str, group: str) -> None:
    with open_folder() as root:
        write(root, PI_4, tree)
        (root / node[1:]).chmod(0o660)
        with as_nobody():
            finding, *others = check_edgetpus(None, root)
    assert (finding.level, finding.exit_code, others) == ("fail", 69, []), "it is not probed, too"
    assert f"may not open {node}" in finding.detail
    assert finding.command == f"sudo edge-infer install; sudo usermod -aG {group} $USER"


def test_one_on_pcie_without_a_driver_is_told(tmp_path: Path) -> None:
    finding, absent = check_edgetpus(None, write(tmp_path, PI_5, PCI_CORAL))
    assert (finding.level, absent.level) == ("fail", "skip")
    assert "on PCIe at 0000:01:00.0, but its driver does not run" in finding.detail
    assert "gasket-dkms" in finding.command


def test_large_pages_under_one_on_pcie_are_told(tmp_path: Path) -> None:
    finding = one_of("edge tpu 0", tmp_path, PI_5, PCI_CORAL, APEX)
    assert finding.level == "warn"
    assert "16 kB pages" in finding.detail
    assert "kernel=kernel8.img" in finding.fix
    assert one_of("edge tpu 0", tmp_path, PI_4, PCI_CORAL, APEX).detail == "PCIe"


def test_a_daemon_that_runs_keeps_its_accelerator(tmp_path: Path) -> None:
    assert [f.level for f in check_edgetpus(None, write(tmp_path, COMMON, usb_coral()), running=True)] == ["ok", "skip"]


@pytest.mark.parametrize(
    ("package", "runtime", "fit"),
    [
        ("16.0", "tflite_runtime 2.5.0", True),
        ("16.0", "tflite_runtime 2.11.1", True),
        ("16.0", "tflite_runtime 2.14.0", False),
        ("16.0TF2.17.1-1.bookworm", "tflite_runtime 2.17.1", True),
        ("16.0TF2.17.1-1.bookworm", "tflite_runtime 2.14.0", False),
        ("16.0", "ai_edge_litert 2.3.0", None),
        ("", "tflite_runtime 2.14.0", None),
    ],
)
def test_the_table_of_what_fits(package: str, runtime: str, fit: bool | None) -> None:
    assert fits(package, runtime) is fit


def test_the_version_of_the_library_is_that_of_its_package(tmp_path: Path) -> None:
    assert packaged(tmp_path) == ""
    assert packaged(write(tmp_path, DPKG)) == "16.0"


FAULTS = {
    "start-segfault": ("crashed (SIGSEGV)", "a library that was built for this runtime"),
    "start-abort": ("ended the process (SIGABRT)", "unplug it"),
    "start-hang": ("did not answer within 3 s", "unplug it"),
    "refuse": ("does not start", "no other program"),
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.items(), ids=FAULTS)
def test_a_library_that_fails_is_a_diagnosis(
    tmp_path: Path,
    fake_edgetpu: str,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    said: tuple[str, str],
) -> None:
    (tmp_path / "fault").write_text(fault)
    monkeypatch.setenv("FAKE_EDGETPU_FAULT", str(tmp_path / "fault"))
    monkeypatch.setattr(accelerator, "SECONDS", 3.0)
    finding = probed(write(tmp_path, PI_4, usb_coral()), fake_edgetpu)
    assert finding.level == "fail"
    assert said[0] in finding.detail
    assert said[1] in finding.fix


def probed(root: Path, library: str) -> Finding:
    found = find_accelerators(root)
    return probe(found, found[0], library, root)


def test_a_library_that_works_is_told_with_its_runtime(tmp_path: Path, fake_edgetpu: str) -> None:
    finding = probed(write(tmp_path, PI_4, usb_coral(), DPKG), fake_edgetpu)
    assert finding.level == "ok"
    assert finding.detail.startswith("libedgetpu 16.0 with ")
    assert "opens edgetpu:usb:0 in " in finding.detail


def test_a_library_that_crashes_beside_a_runtime_that_it_does_not_fit_is_to_blame() -> None:
    answer = Answer(({"runtime": "tflite_runtime 2.14.0"},), "ended the process (SIGABRT)", "terminate called")
    finding = judged("edgetpu:usb:0", answer, "16.0")
    assert finding.detail == (
        "libedgetpu 16.0 with tflite_runtime 2.14.0, edgetpu:usb:0: it ended the process (SIGABRT): terminate called"
    )
    assert "up to 2.11" in finding.fix


@pytest.mark.parametrize(
    ("library", "says", "command"),
    [
        ("libedgetpu-that-is-not-there.so.1", "the library is missing", "sudo apt install libedgetpu1-std"),
        ("libc.so.6", "this is no Edge TPU library", "sudo apt install libedgetpu1-std"),
    ],
)
def test_a_library_that_is_missing_or_wrong_is_told(tmp_path: Path, library: str, says: str, command: str) -> None:
    finding = probed(write(tmp_path, PI_4, usb_coral()), library)
    assert (finding.level, finding.exit_code, finding.command) == ("fail", 69, command)
    assert says in finding.detail


def test_a_library_whose_libusb_is_missing_is_told(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (tmp_path / "a.c").write_text("int usb(void) { return 0; }")
    (tmp_path / "b.c").write_text("int usb(void); int edge(void) { return usb(); }")
    usb, edge = tmp_path / "libusb-1.0.so.9", tmp_path / "libedge.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libusb-1.0.so.9", "-o", usb, tmp_path / "a.c"], check=True)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", edge, tmp_path / "b.c", usb], check=True)
    usb.unlink()
    finding = probed(write(tmp_path, PI_4, usb_coral()), str(edge))
    assert (finding.level, finding.command) == ("fail", "sudo apt install libusb-1.0-0")


def test_where_one_is_plugged_in_is_said(tmp_path: Path) -> None:
    write(tmp_path, usb_coral(480), APEX)
    assert [bus_of(one) for one in find_accelerators(tmp_path)] == ["PCIe", "USB 2, port 2-1"]


def test_the_command_devices_can_probe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_infer", "devices", "--probe", "--json"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 69)
    assert '"accelerators": [' in done.stdout
