"""The daemon and a network camera that breaks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from broker import Mosquitto, Subscriber
from footage import RtspServer, rtsp_camera
from waiting import until

MODEL = Path(__file__).parents[2] / "models/face-detection"
AGE_LIMIT_S = 2.0
BACK_S = 5.0  # after the camera's return results come again


@pytest.fixture
def camera() -> Iterator[RtspServer]:
    with rtsp_camera() as server:
        yield server


@contextmanager
def daemon(url: str, broker: Mosquitto, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    config = folder / "edge-infer.yaml"
    settings = {
        "version": 1,
        "device": {"id": "porch", "state_dir": str(folder / "state")},
        "mqtt": {"url": broker.url},
        "health": {"interval_s": 0.5},
        "pipelines": {
            "yard": {
                "source": {"kind": "stream", "uri": url},
                "model": {"path": str(MODEL)},
                "max_frame_age_s": AGE_LIMIT_S,
            }
        },
    }
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "edge_infer", "run", "--config", str(config)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def break_and_mend(camera: RtspServer, subscriber: Subscriber, *, freeze: bool) -> None:
    """One round: the camera breaks, the loss is seen in time, it comes back, results come again in time."""
    told = len(subscriber.states())
    assert camera.process is not None
    if freeze:
        camera.process.send_signal(signal.SIGSTOP)
    else:
        camera.kill()
    until(lambda: "degraded" in subscriber.states()[told:], AGE_LIMIT_S + 1.0, "the loss on the status topic")
    reason = subscriber.on("/status")[-1].said["reasons"]["yard"]
    assert "no frame for" in reason or "rtsp://127.0.0.1" in reason
    seen = len(subscriber.seqs())
    if freeze:
        camera.process.send_signal(signal.SIGCONT)
    else:
        camera.start()
    until(lambda: len(subscriber.seqs()) > seen, BACK_S, "results after the camera's return")
    until(lambda: subscriber.states()[-1] == "online", AGE_LIMIT_S + 1.0, "the status online")


def resources(pid: int) -> tuple[int, int]:
    """(RSS in bytes, open files) of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_camera_that_dies_or_freezes_is_reported_and_opened_again(camera: RtspServer, tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port) as subscriber,
        daemon(camera.url, broker, tmp_path) as process,
    ):
        until(lambda: len(subscriber.seqs()) > 5, 30.0, "the first results")
        break_and_mend(camera, subscriber, freeze=False)
        break_and_mend(camera, subscriber, freeze=True)
        process.terminate()
        assert process.wait(7.0) == 0
        until(lambda: subscriber.states()[-1] == "offline", 5.0)
        last = subscriber.on("/status")[-1].said["last_seq"]
        until(lambda: sorted(set(subscriber.seqs())) == list(range(1, last + 1)), 5.0, "every sequence number")


def test_a_camera_that_is_not_there_at_the_start_is_found_later(camera: RtspServer, tmp_path: Path) -> None:
    camera.kill()
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port) as subscriber,
        daemon(camera.url, broker, tmp_path) as process,
    ):
        until(lambda: "degraded" in subscriber.states(), 30.0, "the loss on the status topic")
        camera.start()
        until(lambda: subscriber.seqs(), BACK_S, "results")
        assert process.poll() is None


@pytest.mark.parametrize("frozen_s", [0.3, 2.5, 4.0])  # in a read, opening anew, in the middle of that
def test_a_daemon_whose_camera_hangs_still_ends_cleanly(camera: RtspServer, tmp_path: Path, frozen_s: float) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port) as subscriber,
        daemon(camera.url, broker, tmp_path) as process,
    ):
        until(lambda: len(subscriber.seqs()) > 5, 30.0, "the first results")
        assert camera.process is not None
        camera.process.send_signal(signal.SIGSTOP)
        since = time.monotonic()
        until(lambda: time.monotonic() - since > frozen_s)
        process.terminate()
        assert process.wait(2.0) == 0
        until(lambda: subscriber.states()[-1] == "offline", 2.0)
        assert "terminate called" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_losses_cost_neither_memory_nor_open_files(camera: RtspServer, tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port) as subscriber,
        daemon(camera.url, broker, tmp_path) as process,
    ):
        until(lambda: len(subscriber.seqs()) > 5, 30.0, "the first results")
        measured = []
        for turn in range(20):
            break_and_mend(camera, subscriber, freeze=turn % 4 == 3)
            rate_is_back = time.monotonic() + 1.0
            until(lambda deadline=rate_is_back: time.monotonic() > deadline)  # type: ignore[misc]
            measured.append(resources(process.pid))
        print("RSS MB, files:", [(rss // 1_000_000, files) for rss, files in measured])
        early, late = measured[4], measured[-1]  # after the first rounds, when allocators have what they keep
        assert late[0] - early[0] < 8_000_000
        assert late[1] <= early[1] + 2
