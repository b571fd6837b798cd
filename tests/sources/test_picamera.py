"""Against a stand-in that has the documented calls of picamera2: the camera itself is not here."""

import builtins
import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge_infer.errors import SourceError
from edge_infer.sources.picamera import PiCameraSource
from edge_infer.types import Array


class Picamera2:
    """As of picamera2 0.3.38: `wait` is a number of seconds, after which TimeoutError is raised."""

    opened: list["Picamera2"] = []
    stalled = False
    broken = ""

    def __init__(self, camera_num: int = 0) -> None:
        if camera_num > 0:
            raise RuntimeError(f"No camera number {camera_num} found")
        self.calls: list[str] = []
        self.configuration: dict[str, Any] = {}
        Picamera2.opened.append(self)

    def create_video_configuration(self, main: dict[str, Any], buffer_count: int, controls: dict[str, Any]) -> Any:
        return {"main": main, "buffer_count": buffer_count, "controls": controls}

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    def start(self) -> None:
        self.calls.append("start")
        if self.broken:
            raise RuntimeError(self.broken)

    def capture_array(self, name: str, wait: float) -> Array:
        assert self.calls == ["start"]
        assert 0 < wait < 10
        if self.stalled:
            raise TimeoutError
        if self.broken:
            raise RuntimeError(self.broken)
        width, height = self.configuration[name]["size"]
        return np.zeros((height, width, 3), np.uint8)

    def cancel_all_and_flush(self) -> None:
        self.calls.append("cancel")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    class Hardware(Picamera2):
        pass

    module = ModuleType("picamera2")
    module.Picamera2 = Hardware  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setattr(Picamera2, "opened", [])
    return Hardware


def test_frames_come_numbered_and_in_the_size_asked_for(hardware: type[Picamera2]) -> None:
    with PiCameraSource(size=(320, 240), fps=10) as source:
        frames = [source.read() for _ in range(3)]
        assert source.live
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert {frame.size for frame in frames} == {(320, 240)}
    assert hardware.opened[0].configuration == {
        "main": {"size": (320, 240), "format": "RGB888"},
        "buffer_count": 4,
        "controls": {"FrameRate": 10},
    }
    assert hardware.opened[0].calls == ["start", "close"]


def test_a_pi_camera_can_be_closed_twice_and_gives_nothing_afterwards(hardware: type[Picamera2]) -> None:
    source = PiCameraSource()
    source.close()
    source.close()
    assert hardware.opened[0].calls == ["start", "close"]
    with pytest.raises(SourceError, match="closed"):
        source.read()


def test_a_stalled_pi_camera_is_an_error_and_can_be_closed(hardware: type[Picamera2]) -> None:
    with PiCameraSource() as source:
        source.read()
        hardware.stalled = True
        with pytest.raises(SourceError, match="gave no frame in 3 s: check its cable"):
            source.read()
    assert hardware.opened[0].calls == ["start", "cancel", "close"]


def test_a_failing_pi_camera_is_an_error(hardware: type[Picamera2]) -> None:
    with PiCameraSource() as source:
        hardware.broken = "Camera frontend has timed out"
        with pytest.raises(SourceError, match="Camera frontend has timed out"):
            source.read()


def test_a_pi_camera_that_does_not_start_is_let_go(hardware: type[Picamera2]) -> None:
    hardware.broken = "Device or resource busy"
    with pytest.raises(SourceError, match=r"Pi camera 0 does not start .*busy"):
        PiCameraSource()
    assert hardware.opened[0].calls == ["start", "close"]


def test_a_missing_pi_camera_says_how_to_look_for_it(hardware: type[Picamera2]) -> None:
    with pytest.raises(SourceError, match=r"Pi camera 1 does not start .*rpicam-hello --list-cameras"):
        PiCameraSource(1)
    assert hardware.opened == []


def test_without_picamera2_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match=r"pip install edge-infer\[picamera\].*python3-picamera2"):
        PiCameraSource()


def test_picamera2_is_not_imported_before_a_camera_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        assert name != "picamera2"
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    importlib.reload(sys.modules[PiCameraSource.__module__])
