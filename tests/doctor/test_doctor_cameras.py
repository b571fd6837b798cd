"""Cameras that are forbidden, in use, or named by a path that does not stay with them."""

import grp  # noqa: F401 - nobody cannot import it where Python lies in root's folder
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machines import PI_4, PI_5, WEBCAM, one, write
from other_user import as_nobody, open_folder
from waiting import until

from edge_infer.settings import Settings, load_settings
from edge_infer.tools.doctor.camera import check_cameras
from edge_infer.tools.doctor.reading import users_of

BY_ID = "dev/v4l/by-id/usb-HD_Webcam-video-index0"
RIBBON = {
    "sys/class/video4linux/video0/name": "rp1-cfe-csi2_ch0\n",
    "sys/class/video4linux/video0/index": "0\n",
    "dev/video0": "",
}


def settings(folder: Path, source: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(
        f"version: 1\ndevice: {{id: porch}}\npipelines:\n  door:\n    source: {source}\n    model: {{path: m.tflite}}\n"
    )
    return load_settings(path)


def test_a_machine_without_cameras_has_nothing_to_mend(tmp_path: Path) -> None:
    assert one(check_cameras(None, write(tmp_path, PI_4))).level == "skip"


def test_a_camera_is_told_with_the_path_that_stays_with_it(tmp_path: Path) -> None:
    finding = one(check_cameras(None, write(tmp_path, PI_4, WEBCAM, links={BY_ID: "../../video0"})))
    assert (finding.level, finding.what) == ("ok", "camera /dev/video0")
    assert finding.detail == f"HD Webcam, lasting path /{BY_ID}"


def test_a_camera_without_a_number_of_its_own_has_the_path_of_its_port(tmp_path: Path) -> None:
    by_path = "dev/v4l/by-path/platform-xhci-usb-0:1:1.0-video-index0"
    finding = one(check_cameras(None, write(tmp_path, PI_4, WEBCAM, links={by_path: "../../video0"})))
    assert finding.detail == f"HD Webcam, lasting path /{by_path}"


def test_a_configuration_with_a_path_that_does_not_stay_is_told(tmp_path: Path) -> None:
    root = write(tmp_path, PI_4, WEBCAM, links={BY_ID: "../../video0"})
    _, finding = check_cameras(settings(tmp_path, "{kind: camera, uri: /dev/video0}"), root)
    assert (finding.level, finding.what) == ("warn", "source of door")
    assert finding.fix == f"in the configuration write uri: /{BY_ID}"
    assert one(check_cameras(settings(tmp_path, f"{{kind: camera, uri: /{BY_ID}}}"), root)).level == "ok"


def test_a_camera_that_may_not_be_opened_is_told() -> None:
    with open_folder() as root:
        write(root, PI_4, WEBCAM)
        (root / "dev/video0").chmod(0o660)
        with as_nobody():
            finding = one(check_cameras(None, root))
    assert (finding.level, finding.exit_code) == ("fail", 69)
    assert "this user may not open it" in finding.detail
    assert finding.command == "sudo edge-infer install; sudo usermod -aG video $USER"


def test_a_camera_that_the_service_may_not_open_is_told_to_root(tmp_path: Path) -> None:
    """Root itself may open anything."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    write(tmp_path, PI_4, WEBCAM, {"etc/systemd/system/edge-infer.service": ""})
    device = tmp_path / "dev/video0"
    device.chmod(0o660)
    finding = one(check_cameras(None, tmp_path))
    assert (finding.level, finding.detail) == ("fail", "HD Webcam: the service may not open it")
    shutil.chown(device, group="video")
    assert one(check_cameras(None, tmp_path)).level == "ok"
    device.chmod(0o640)
    assert one(check_cameras(None, tmp_path)).level == "fail"


def test_a_camera_that_something_else_has_is_told_with_its_name(tmp_path: Path) -> None:
    write(tmp_path, PI_4, WEBCAM, {"proc/77/comm": "motion\n"}, links={"proc/77/fd/5": str(tmp_path / "dev/video0")})
    finding = one(check_cameras(None, tmp_path))
    assert finding.level == "warn"
    assert "HD Webcam: motion (77) has it open" in finding.detail
    assert finding.command == "sudo fuser -v /dev/video0"
    assert one(check_cameras(None, tmp_path, running=True)).level == "ok", "that is the daemon"


def test_who_has_a_file_open_is_found_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "held").touch()
    program = "import sys; held = open(sys.argv[1]); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "held"], stdin=subprocess.PIPE) as process:
        until(lambda: users_of(tmp_path / "held"), what="the file being held")
        assert users_of(tmp_path / "held")[0].endswith(f"({process.pid})")
        assert process.stdin
        process.stdin.close()
    assert users_of(tmp_path / "held") == []


def test_a_camera_on_the_ribbon_cable_needs_picamera2(tmp_path: Path) -> None:
    """Here, as on a new Pi, it is not installed."""
    finding = one(check_cameras(None, write(tmp_path, PI_5, RIBBON)))
    assert (finding.level, finding.command) == ("fail", "sudo apt install python3-picamera2")
    assert "No module named 'picamera2'" in finding.detail
    (tmp_path / "proc/device-tree/model").unlink()
    (tmp_path / "dev/video0").unlink()
    finding, _ = check_cameras(settings(tmp_path, "{kind: picamera}"), tmp_path)
    assert "this is no Raspberry Pi" in finding.fix
