"""Fixtures: what the tests of the sources read from."""

import http.server
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import pytest
from footage import MjpegServer, QuietFiles, RtspServer, grey_frame, rtsp_camera, running, write_clip


@pytest.fixture
def rtsp_server() -> Iterator[RtspServer]:
    with rtsp_camera() as server:
        yield server


@pytest.fixture
def mjpeg_server() -> Iterator[MjpegServer]:
    with running(MjpegServer()) as server:
        yield server


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[str]:
    """The address at which `tmp_path` can be fetched."""
    handler = partial(QuietFiles, directory=str(tmp_path))
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with 1.png, 2.png, 10.png, whose grey levels are their numbers, and a text file."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (10, 2, 1):
        cv2.imwrite(str(folder / f"{number}.png"), grey_frame(number))
    (folder / "notes.txt").write_text("no picture")
    return folder
