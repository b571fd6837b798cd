"""Network cameras and files to read from, made here and gone afterwards."""

import http.server
import select
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest

from edge_infer.tools.local_broker import free_port
from edge_infer.types import Array

Server = TypeVar("Server", bound=http.server.HTTPServer)

SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDS_GSTREAMER = "needs python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-{base,good,bad,ugly}"
SYSTEM_PYTHON = "/usr/bin/python3"


@contextmanager
def rtsp_camera() -> Iterator["RtspServer"]:
    """A running RTSP server; skips the test where GStreamer's is not installed."""
    imports = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", imports], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        pytest.skip(NEEDS_GSTREAMER)
    server = RtspServer()
    try:
        server.start()
        yield server
    finally:
        server.kill()


class RtspServer:
    """A real RTSP server in a process of its own; it can be killed and started anew at the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        command = [SYSTEM_PYTHON, str(SERVER), str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 20.0)
        assert ready, "the RTSP server did not start in 20 s"
        assert self.process.stdout.readline() == "ready\n", "the RTSP server did not start"

    def kill(self) -> None:
        if self.process is None:
            return
        self.process.kill()
        self.process.communicate(timeout=10)
        self.process = None


class MjpegServer(http.server.ThreadingHTTPServer):
    """A network camera that sends one JPEG after the other, as fast as `period` says, until `ending` is set."""

    daemon_threads = True
    period = 1 / 30

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Camera)
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/video"

    def shutdown(self) -> None:
        self.ending.set()
        super().shutdown()


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class _Camera(http.server.BaseHTTPRequestHandler):
    server: MjpegServer

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        jpeg = cv2.imencode(".jpg", grey_frame(120))[1].tobytes()
        part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)
        while not self.server.ending.wait(self.server.period):
            try:
                self.wfile.write(part)
            except OSError:  # the reader has left
                return


@contextmanager
def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def grey_frame(level: int) -> Array:
    return np.full((240, 320, 3), level, np.uint8)


LEVELS = tuple(range(10, 250, 10))  # the grey of each frame of a clip


def write_clip(path: Path, fourcc: str = "MJPG", fps: float = 20.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), fps, (320, 240))
    assert writer.isOpened()
    for level in LEVELS:
        writer.write(grey_frame(level))
    writer.release()
    return path
