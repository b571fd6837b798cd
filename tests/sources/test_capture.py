import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from footage import LEVELS, MjpegServer, RtspServer, grey_frame, write_clip

from edge_infer.errors import SourceError
from edge_infer.sources import capture, replugged
from edge_infer.sources.capture import CameraSource, StreamSource
from edge_infer.sources.devices import Camera
from edge_infer.tools.local_broker import free_port
from edge_infer.types import Array


class FakeCapture:
    """What OpenCV's VideoCapture does with a V4L2 camera: grabs always work, until `broken` is set."""

    opened: "FakeCapture"

    def __init__(self, path: str, backend: int) -> None:
        self.path, self.backend = path, backend
        self.settings: dict[int, float] = {}
        self.broken = False
        self.damaged = 0  # frames to come that cannot be decoded
        self.decoded = 0
        FakeCapture.opened = self

    def set(self, setting: int, value: float) -> bool:
        self.settings[setting] = value
        return True

    def get(self, setting: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 320.0, cv2.CAP_PROP_FRAME_HEIGHT: 240.0}[setting]

    def grab(self) -> bool:
        return not self.broken

    def retrieve(self) -> tuple[bool, Array | None]:
        if self.damaged:
            self.damaged -= 1
            return False, None
        self.decoded += 1
        return True, grey_frame(50)

    def release(self) -> None:
        self.broken = True


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "video0"
    path.touch()
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    return str(path)


def test_a_camera_is_opened_with_the_settings_asked_for(device: str) -> None:
    with CameraSource(device, size=(320, 240), fps=15, fourcc="MJPG") as source:
        assert source.name == device
        assert source.live
    opened = FakeCapture.opened
    assert (opened.path, opened.backend) == (device, cv2.CAP_V4L2)
    assert list(opened.settings.items()) == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 320),
        (cv2.CAP_PROP_FRAME_HEIGHT, 240),
        (cv2.CAP_PROP_FPS, 15),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ]


def test_a_camera_that_gives_another_size_says_so(device: str, caplog: pytest.LogCaptureFixture) -> None:
    with CameraSource(device, size=(1920, 1080)) as source:
        assert source.read().size == (320, 240)
    assert "(320, 240) pixels, not (1920, 1080)" in caplog.text


def test_the_frame_that_proved_a_camera_is_not_lost(device: str) -> None:
    with CameraSource(device) as source:
        assert [source.read().number for _ in range(3)] == [0, 1, 2]


def test_frames_beyond_the_rate_are_counted_and_not_decoded(device: str) -> None:
    with CameraSource(device, max_fps=50) as source:
        last = [source.read() for _ in range(4)][-1]
        assert source.skipped["rate"] == last.number + 1 - 4 > 0
        assert FakeCapture.opened.decoded == 4


def test_damaged_frames_are_counted_and_leave_a_gap(device: str) -> None:
    with CameraSource(device) as source:
        source.read()
        FakeCapture.opened.damaged = 2
        assert source.read().number == 3
        assert source.skipped == {"corrupt": 2}


@pytest.mark.parametrize(("flat", "size"), [(320 * 240 * 3, (320, 240)), (320 * 240 * 2, None)])
def test_pixels_that_opencv_leaves_in_one_row_become_a_picture_or_are_damaged(
    device: str, monkeypatch: pytest.MonkeyPatch, flat: int, size: tuple[int, int] | None
) -> None:
    monkeypatch.setattr(capture, "CORRUPT_TIMEOUT", 0.05)
    monkeypatch.setattr(FakeCapture, "retrieve", lambda _: (True, np.zeros((1, flat), np.uint8)))
    if size:
        with CameraSource(device) as source:
            assert source.read().size == size
    else:
        with pytest.raises(SourceError, match="fourcc"):
            CameraSource(device)


def test_a_camera_that_only_gives_damaged_frames_is_an_error(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "CORRUPT_TIMEOUT", 0.05)
    with CameraSource(device) as source:
        source.read()
        FakeCapture.opened.damaged = 10**9
        with pytest.raises(SourceError, match="damaged frames only"):
            source.read()


def test_a_camera_that_breaks_off_is_an_error(device: str) -> None:
    with CameraSource(device) as source:
        source.read()
        FakeCapture.opened.broken = True
        with pytest.raises(SourceError, match=f"camera {device} gives no more frames: check"):
            source.read()


def test_a_camera_that_opens_but_gives_nothing_does_not_count_as_open(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeCapture, "grab", lambda _: False)
    with pytest.raises(SourceError, match=rf"gives no frames.*fuser -v {device}"):
        CameraSource(device)
    assert FakeCapture.opened.broken  # released


def test_a_camera_whose_first_frame_is_late_is_open(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grabs = iter([False, True])
    monkeypatch.setattr(FakeCapture, "grab", lambda _: next(grabs))
    with CameraSource(device) as source:
        assert source.read().number == 0


@pytest.mark.parametrize(
    ("present", "shown"),
    [
        ([], "none; plug one in$"),
        ([Camera(2, "/dev/video2", "HD Webcam")], r"/dev/video2 \(HD Webcam\)$"),
        (
            [Camera(2, "/dev/video2", "Cam", by_path="/dev/v4l/by-path/x")],
            r"/dev/video2 \(Cam, /dev/v4l/by-path/x\); .* a path in /dev/v4l does not$",
        ),
    ],
)
def test_a_missing_camera_names_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch, present: list[Camera], shown: str
) -> None:
    monkeypatch.setattr(capture, "list_cameras", lambda: present)
    with pytest.raises(SourceError, match=f"no camera at /dev/video97; cameras of this machine: {shown}"):
        CameraSource(97)


def test_a_missing_camera_that_was_named_by_a_lasting_path_is_not_told_to_use_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    present = Camera(2, "/dev/video2", "Cam", by_id="/dev/v4l/by-id/x")
    monkeypatch.setattr(capture, "list_cameras", lambda: [present])
    with pytest.raises(SourceError, match=r"cameras of this machine: /dev/video2 \(Cam, /dev/v4l/by-id/x\)$"):
        CameraSource("/dev/v4l/by-id/y")


def test_a_camera_that_has_another_number_now_is_opened_there(
    device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(replugged, "find", lambda path: device if path == "/dev/video97" else path)
    with CameraSource(97) as source:
        assert source.name == "/dev/video97"
    assert FakeCapture.opened.path == device


@pytest.fixture
def closed_port() -> int:
    return free_port()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_an_unreachable_stream_is_one_line_without_the_password(scheme: str, closed_port: int) -> None:
    with pytest.raises(SourceError) as raised:
        StreamSource(f"{scheme}://user:hunter2@127.0.0.1:{closed_port}/cam")
    message = str(raised.value)
    assert "\n" not in message
    assert f"{scheme}://user:***@127.0.0.1:{closed_port}/cam" in message
    assert "does not answer (Connection refused); check the address" in message


def test_a_server_without_such_a_stream_is_told_from_one_that_is_off(rtsp_server: RtspServer) -> None:
    with pytest.raises(SourceError, match="answers but gives no video; check path, user and password"):
        StreamSource(rtsp_server.url + "/elsewhere")


def test_a_malformed_address_says_how_to_write_it() -> None:
    with pytest.raises(SourceError, match="malformed; write rtsp://user:password@host:port/path"):
        StreamSource("rtsp://127.0.0.1:port/cam")


def test_failures_write_nothing_to_stderr(tmp_path: Path, closed_port: int) -> None:
    program = f"""
from edge_infer.errors import EdgeInferError
from edge_infer.sources.capture import CameraSource, StreamSource
from edge_infer.sources.images import read_image
from edge_infer.sources.video import VideoSource
for opening, address in (
    (StreamSource, "rtsp://127.0.0.1:{closed_port}/cam"), (StreamSource, "http://127.0.0.1:{closed_port}/cam"),
    (CameraSource, "/dev/null"), (VideoSource, "damaged.mp4"), (read_image, "damaged.jpg"), (read_image, "damaged.png"),
):
    try:
        opening(address)
    except EdgeInferError:
        print("raised")
"""
    (tmp_path / "damaged.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(range(256)) * 20)
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    for suffix in (".jpg", ".png"):
        (tmp_path / f"damaged{suffix}").write_bytes(cv2.imencode(suffix, noise)[1].tobytes()[:200])
    root = Path(capture.__file__).parents[2]
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["raised"] * 6


def test_the_rate_of_a_stream_can_be_limited(mjpeg_server: MjpegServer) -> None:
    with StreamSource(mjpeg_server.url, max_fps=10) as source:
        frames = [source.read() for _ in range(4)]
    assert source.skipped["rate"] == frames[-1].number + 1 - 4 > 0


def test_frames_from_before_a_stream_was_opened_are_left_out_and_counted(rtsp_server: RtspServer) -> None:
    with StreamSource(rtsp_server.url) as source:
        stale = source.skipped["stale"]
        assert stale > 0
        assert [source.read().number for _ in range(5)] == list(range(stale, stale + 5))


def test_a_file_behind_http_is_no_backlog(tmp_path: Path, file_server: str) -> None:
    write_clip(tmp_path / "clip.mp4", "mp4v")
    with StreamSource(f"{file_server}/clip.mp4") as source:
        assert [source.read().number for _ in LEVELS] == list(range(len(LEVELS)))


def test_a_stream_is_known_by_its_address_without_the_password(mjpeg_server: MjpegServer) -> None:
    with StreamSource(mjpeg_server.url.replace("://", "://user:hunter2@")) as source:
        assert source.read().source == mjpeg_server.url.replace("://", "://user:***@")


def test_a_stream_that_ends_is_an_error_without_the_password(mjpeg_server: MjpegServer) -> None:
    with StreamSource(mjpeg_server.url.replace("://", "://user:hunter2@")) as source:
        source.read()
        mjpeg_server.ending.set()
        message = str(failure(source.read))
    assert message.startswith("stream http://user:***@127.0.0.1")
    assert "gives no more frames" in message


def test_a_killed_server_is_an_error_and_the_stream_can_be_opened_when_it_is_back(rtsp_server: RtspServer) -> None:
    with StreamSource(rtsp_server.url) as source:
        source.read()
        rtsp_server.kill()
        failure(source.read)
    with pytest.raises(SourceError, match="Connection refused"):
        StreamSource(rtsp_server.url)
    rtsp_server.start()
    with StreamSource(rtsp_server.url) as source:
        assert source.read().size == (320, 240)


@pytest.mark.slow
def test_a_frozen_server_is_an_error_in_bounded_time(rtsp_server: RtspServer) -> None:
    with StreamSource(rtsp_server.url) as source:
        source.read()
        assert rtsp_server.process is not None
        rtsp_server.process.send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        assert re.search(r"gave no frame for 2\.|gives no more frames", str(failure(source.read)))
        assert time.monotonic() - frozen_at < 5.0, "a frame that was left in the decoder counted as a new one"
    with pytest.raises(SourceError, match="answers but gives no video"):
        StreamSource(rtsp_server.url)
    rtsp_server.process.send_signal(signal.SIGCONT)
    with StreamSource(rtsp_server.url) as source:
        source.read()


def failure(read: Callable[[], Any]) -> SourceError:
    """The error that follows the few frames that were still under way."""
    for _ in range(100):
        try:
            read()
        except SourceError as error:
            return error
    raise AssertionError("the source still gives frames")
