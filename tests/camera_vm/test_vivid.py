"""A real V4L2 camera, and what befalls it; scripts/test-camera runs this in a machine of its own."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import vivid
from waiting import until
from watched import MODEL, PATIENCE, took, watched

from edge_infer.errors import SourceError
from edge_infer.sources.capture import CameraSource

pytestmark = pytest.mark.slow
PORT = str(vivid.PORT)


@pytest.fixture(autouse=True)
def _as_video0() -> None:
    """The camera is there, and its number is 0."""
    if not vivid.DRIVER.exists():
        pytest.skip("needs a camera of the driver vivid: run scripts/test-camera")
    if vivid.is_plugged():
        vivid.unplug()
    vivid.plug()
    assert vivid.node() == "/dev/video0"


def edge_infer(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edge_infer", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_a_camera_is_listed_with_the_path_of_its_port() -> None:
    (found,) = json.loads(edge_infer("devices", "--json").stdout)["cameras"]
    assert (found["path"], found["by_id"], found["by_path"]) == ("/dev/video0", None, PORT)
    assert f"/dev/video0 (vivid-000-vid-cap, {PORT})" in edge_infer("devices").stdout


@pytest.mark.parametrize("fault", ["disconnect", "inject_fatal_streaming_error"])
def test_a_camera_whose_driver_gives_up_is_opened_again(fault: str, tmp_path: Path) -> None:
    with watched(PORT, tmp_path) as daemon:
        for _ in range(5):
            before = daemon.restarts()
            vivid.control(fault, 1)
            with took("noticed"):
                until(lambda before=before: daemon.restarts() > before, PATIENCE, "the camera opened again")  # type: ignore[misc]
            daemon.await_results()
        assert daemon.handles() == ["/dev/video0"]
        assert "gives no more frames" in daemon.log.read_text()


def test_a_camera_that_gives_no_frame_is_noticed_and_taken_up_again(tmp_path: Path) -> None:
    with watched(PORT, tmp_path) as daemon:
        with vivid.silent():
            daemon.await_loss()
            before = daemon.restarts()
            until(lambda: daemon.restarts() > before + 1, PATIENCE, "more than one attempt to open it again")
        daemon.await_results()
        assert "hangs" not in daemon.log.read_text()


def test_a_camera_that_gives_the_same_picture_for_ever_is_noticed(tmp_path: Path) -> None:
    with watched(PORT, tmp_path) as daemon:
        with vivid.frozen():
            daemon.await_loss()
            assert "frozen" in str(daemon.reason())
        daemon.await_results()


@pytest.mark.parametrize("uri", [PORT, "/dev/video0"])
def test_a_camera_that_comes_back_under_another_number_is_found(uri: str, tmp_path: Path) -> None:
    with watched(uri, tmp_path) as daemon:
        with vivid.number_taken():
            vivid.unplug()
            daemon.await_loss()
            vivid.plug()
        daemon.await_results()
        assert vivid.node() == "/dev/video1"
        advice = "name it by its path in /dev/v4l camera=/dev/video0 now=/dev/video1"
        assert (advice in daemon.log.read_text()) is (uri == "/dev/video0")


def test_a_camera_that_another_number_names_at_the_start_is_an_error_that_names_the_path_to_use() -> None:
    with vivid.number_taken():
        vivid.unplug()
        vivid.plug()
    done = edge_infer("run", "--source", "/dev/video0", "--model", str(MODEL))
    assert done.returncode == 69
    present = f"cameras of this machine: /dev/video1 (vivid-000-vid-cap, {PORT})"
    assert f"there is no camera at /dev/video0; {present}" in done.stderr
    assert "a path in /dev/v4l does not" in done.stderr


def test_a_camera_that_somebody_else_uses_is_an_error_that_says_how_to_find_out() -> None:
    with CameraSource(0, size=(320, 180)) as source:
        source.read()
        with took("refused"), pytest.raises(SourceError, match=r"see what uses it \(fuser -v /dev/"):
            CameraSource(PORT, size=(320, 180))
        source.read()


def test_the_first_frame_may_take_longer_than_a_later_one() -> None:
    frames: list[object] = []

    def read() -> None:
        with CameraSource(PORT, size=(320, 180)) as source:
            frames.append(source.read())

    reader = threading.Thread(target=read)
    with vivid.silent():
        reader.start()
        late = time.monotonic() + 3.0
        until(lambda: time.monotonic() > late)
    reader.join(PATIENCE)
    assert frames
