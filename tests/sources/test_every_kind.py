"""Every kind of source that a configuration may name keeps the contract, with the real thing where there is one."""

import importlib.util
import os
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, get_args

import cv2
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from footage import MjpegServer
from paho.mqtt.enums import CallbackAPIVersion
from ptys import plugged
from sounds import sine, wav_bytes

from edge_infer import config
from edge_infer.config.words import OPEN
from edge_infer.keeping import InputRecording
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import open_source
from edge_infer.sources.iio import IioSource
from edge_infer.sources.microphones import list_microphones
from edge_infer.sources.settings import SourceSettings
from edge_infer.sources.source import BaseSource
from edge_infer.testing import check_source
from edge_infer.types import ModelId, Result

Ready: TypeAlias = Generator[Callable[[], BaseSource], None, None]  # what opens it, until the generator is closed
Opener: TypeAlias = Callable[[pytest.FixtureRequest, Path], Ready]
ROWS = "".join(f"{number},{2 * number}\n" for number in range(200))


def camera(_request: pytest.FixtureRequest, _folder: Path) -> Ready:
    if not Path("/dev/video0").exists():
        pytest.skip("needs a camera at /dev/video0 (scripts/test-camera has one)")
    yield lambda: open_source("/dev/video0")


def picamera(_request: pytest.FixtureRequest, _folder: Path) -> Ready:
    if importlib.util.find_spec("picamera2") is None:
        pytest.skip("needs a Raspberry Pi with python3-picamera2 and a camera")
    yield lambda: open_source("picamera")


def network_camera(request: pytest.FixtureRequest, _folder: Path) -> Ready:
    server: MjpegServer = request.getfixturevalue("mjpeg_server")
    yield lambda: open_source(server.url)


def video(request: pytest.FixtureRequest, _folder: Path) -> Ready:
    path = request.getfixturevalue("clip")
    yield lambda: open_source(path)


def images(request: pytest.FixtureRequest, _folder: Path) -> Ready:
    path = request.getfixturevalue("pictures")
    yield lambda: open_source(path)


def still(_request: pytest.FixtureRequest, folder: Path) -> Ready:
    cv2.imwrite(str(folder / "a.png"), np.zeros((480, 640, 3), np.uint8))
    yield lambda: open_source(folder / "a.png", kind="still", fps=200)


def microphone(_request: pytest.FixtureRequest, _folder: Path) -> Ready:
    if not list_microphones():
        pytest.skip("needs a microphone")
    pytest.importorskip("sounddevice", reason="needs edge-infer[audio]")
    yield lambda: open_source("mic")


def wav(_request: pytest.FixtureRequest, folder: Path) -> Ready:
    (folder / "a.wav").write_bytes(wav_bytes(sine(440.0, 3.0)))
    yield lambda: open_source(folder / "a.wav")


def pcm(_request: pytest.FixtureRequest, folder: Path) -> Ready:
    os.mkfifo(folder / "sound")
    writer = os.open(folder / "sound", os.O_RDWR | os.O_NONBLOCK)  # so that neither end waits for the other
    with repeated(lambda: write_some(writer)):
        yield lambda: open_source(f"pcm:{folder / 'sound'}")
    os.close(writer)


def iio(_request: pytest.FixtureRequest, folder: Path) -> Ready:
    chip = folder / "sys/bus/iio/devices/iio:device0"
    chip.mkdir(parents=True)
    for file, text in {
        "name": "lis3dh",
        "in_accel_x_raw": "512",
        "in_accel_y_raw": "-5",
        "in_accel_scale": "0.01",
    }.items():
        (chip / file).write_text(f"{text}\n")
    yield lambda: IioSource("lis3dh", rate_hz=100.0, root=folder)


def serial(_request: pytest.FixtureRequest, folder: Path) -> Ready:
    pytest.importorskip("serial", reason="needs edge-infer[sensors]")
    with plugged(folder / "sensor") as plug, repeated(lambda: plug.send("x:1,y:2\n")):
        yield lambda: open_source(folder / "sensor", kind="serial")


def table(_request: pytest.FixtureRequest, folder: Path) -> Ready:
    (folder / "a.csv").write_text("time [s],accel_x [m/s^2]\n" + ROWS)
    yield lambda: open_source(folder / "a.csv")


def topic(request: pytest.FixtureRequest, _folder: Path) -> Ready:
    broker = request.getfixturevalue("mosquitto")
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    with repeated(lambda: client.publish("home/climate", '{"temp": 21.5, "hum": 40}')):
        yield lambda: open_source(f"{broker.url}/home/climate")
    client.disconnect()
    client.loop_stop()


def replay(request: pytest.FixtureRequest, folder: Path) -> Ready:
    settings = config.from_options(PipelineSettings, {"source": {"kind": "picamera"}, "model": {"path": "m"}}, "a test")
    recording = InputRecording(folder / "recorded")
    life = recording.of("door", lambda: settings, None)
    with open_source(request.getfixturevalue("clip")) as source:
        for frame in source:
            said = Result.of(frame, task="detect", model=ModelId("m", "", ""), device="cpu", prediction=None)
            life(frame, said)
    recording.close()
    yield lambda: open_source(folder / "recorded")


OPENERS: dict[str, Opener] = {
    "camera": camera,
    "picamera": picamera,
    "stream": network_camera,
    "video": video,
    "images": images,
    "still": still,
    "mic": microphone,
    "wav": wav,
    "pcm": pcm,
    "iio": iio,
    "serial": serial,
    "table": table,
    "mqtt": topic,
    "replay": replay,
}


@contextmanager
def repeated(act: Callable[[], object]) -> Iterator[None]:
    """Does something again and again, to the end of the block."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.01):
            with suppress(OSError):
                act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write_some(handle: int) -> None:
    """A tenth of a second of sound, where there is room for it."""
    with suppress(BlockingIOError):
        os.write(handle, np.zeros(1600, "<i2").tobytes())


def test_every_kind_is_tried() -> None:
    kinds = {str(kind.__struct_config__.tag) for kind in get_args(SourceSettings)}
    assert kinds - {OPEN} == set(OPENERS)


@pytest.mark.parametrize("kind", OPENERS)
def test_every_kind_is_a_source(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    with closing(OPENERS[kind](request, folder)) as ready:
        check_source(next(ready))
