"""Cameras that come back under another number."""

import shutil
from pathlib import Path

import pytest

from edge_infer.errors import SourceError
from edge_infer.sources import replugged


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replugged, "_ports", {})


def plug(root: Path, number: int, port: str, index: int = 0) -> None:
    """As the kernel shows a camera in a USB port."""
    device = root / "sys/devices/usb1" / port
    device.mkdir(parents=True, exist_ok=True)
    node = root / f"sys/class/video4linux/video{number}"
    node.mkdir(parents=True)
    (node / "device").symlink_to(device)
    (node / "index").write_text(f"{index}\n")
    (node / "name").write_text("HD Webcam\n")


def unplug(root: Path, number: int) -> None:
    shutil.rmtree(root / f"sys/class/video4linux/video{number}")


def opened(root: Path, path: str) -> str:
    found = replugged.find(path, root)
    replugged.remember(path, found, root)
    return found


def test_a_camera_that_was_never_opened_is_where_its_number_is(tmp_path: Path) -> None:
    plug(tmp_path, 0, "1-1")
    assert replugged.find("/dev/video0", tmp_path) == "/dev/video0"
    assert replugged.find("/dev/video7", tmp_path) == "/dev/video7"


def test_a_camera_is_found_under_its_new_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plug(tmp_path, 0, "1-1")
    assert opened(tmp_path, "/dev/video0") == "/dev/video0"
    assert not caplog.records
    unplug(tmp_path, 0)
    assert replugged.find("/dev/video0", tmp_path) == "/dev/video0"
    plug(tmp_path, 3, "1-1", index=1)  # its metadata
    plug(tmp_path, 2, "1-1")
    assert opened(tmp_path, "/dev/video0") == "/dev/video2"
    assert "name it by its path" in caplog.text
    assert opened(tmp_path, "/dev/video0") == "/dev/video2"


def test_cameras_that_swap_their_numbers_are_not_taken_for_each_other(tmp_path: Path) -> None:
    plug(tmp_path, 0, "1-1")
    plug(tmp_path, 1, "1-2")
    assert [opened(tmp_path, f"/dev/video{number}") for number in (0, 1)] == ["/dev/video0", "/dev/video1"]
    for number in (0, 1):
        unplug(tmp_path, number)
    plug(tmp_path, 0, "1-2")
    assert opened(tmp_path, "/dev/video1") == "/dev/video0"
    with pytest.raises(SourceError, match=r"camera /dev/video0 is unplugged: .* the camera that was /dev/video1"):
        replugged.find("/dev/video0", tmp_path)
    plug(tmp_path, 1, "1-1")
    assert opened(tmp_path, "/dev/video0") == "/dev/video1"
    assert opened(tmp_path, "/dev/video1") == "/dev/video0"


def test_a_camera_that_is_plugged_into_another_port_is_taken_by_its_number(tmp_path: Path) -> None:
    plug(tmp_path, 0, "1-1")
    assert opened(tmp_path, "/dev/video0") == "/dev/video0"
    unplug(tmp_path, 0)
    plug(tmp_path, 0, "1-2")
    assert opened(tmp_path, "/dev/video0") == "/dev/video0"
    unplug(tmp_path, 0)
    plug(tmp_path, 5, "1-2")
    assert opened(tmp_path, "/dev/video0") == "/dev/video5"


def test_a_path_that_lasts_is_left_to_udev(tmp_path: Path) -> None:
    plug(tmp_path, 0, "1-1")
    path = "/dev/v4l/by-path/pci-usb-0:1:1.0-video-index0"
    replugged.remember(path, "/dev/video0", tmp_path)
    unplug(tmp_path, 0)
    plug(tmp_path, 1, "1-1")
    assert replugged.find(path, tmp_path) == path
