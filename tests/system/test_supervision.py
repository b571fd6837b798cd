"""A daemon whose parts hang: it is noticed, replaced and reported, and everything else goes on."""

import fcntl
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import pytest
from broker import Mosquitto, Subscriber
from command import START_S, Daemon
from fake_tpu import FakeTpu
from waiting import until

from edge_infer.errors import StalledError
from edge_infer.supervisor import MAIN_S

Configure = Callable[..., Path]
STALE_NS = 5_000_000_000  # no pause of what goes on; a busy machine may make one of a second


class PipeCamera:
    """A camera whose driver hangs: a named pipe that pictures come through, or nothing, and never an end."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "camera.mjpeg"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR)  # both, so that a reader never finds the end
        noise = np.random.default_rng(1)
        pictures = [noise.integers(0, 256, (240, 320, 3), np.uint8) for _ in range(5)]
        self._jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        self._ending = threading.Event()
        self._works = threading.Event()
        self._works.set()
        self._thread = threading.Thread(target=self._run)

    def hang(self) -> None:
        self._works.clear()

    def go_on(self) -> None:
        self._works.set()

    def _run(self) -> None:
        number = 0
        while not self._ending.wait(0.04):
            if self._works.is_set() and not self._ending.is_set():
                os.write(self._fd, self._jpegs[number % len(self._jpegs)])
                number += 1

    def __enter__(self) -> Self:
        os.set_blocking(self._fd, True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        while self._thread.is_alive():  # it may wait for a reader that is gone
            os.set_blocking(self._fd, False)
            with suppress(BlockingIOError):
                os.read(self._fd, 1 << 20)
            self._thread.join(0.05)
        os.close(self._fd)


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[PipeCamera]:
    with PipeCamera(tmp_path) as camera:
        yield camera


def mqtt(broker: Mosquitto, more: str = "") -> str:
    return f"mqtt: {{url: '{broker.url}'}}\n{more}"


def reasons(subscriber: Subscriber) -> dict[str, str]:
    """What the device says is wrong with it now."""
    found: dict[str, str] = subscriber.on("/status")[-1].said["reasons"] or {}
    return found


def door_goes_on(subscriber: Subscriber) -> None:
    """No result of the pipeline beside is missing, and its frames came without a pause."""
    results = [result for heard in subscriber.on("/results/door") for result in heard.said["results"]]
    captured = [result["mono_ns"] for result in results]
    assert captured == sorted(captured)
    frames = [result["frame"] for result in results]
    dropped = sum(sum(result.get("dropped", {}).values()) for result in results)
    assert frames[-1] - frames[0] + 1 - len(frames) <= dropped


def test_a_source_that_hangs_in_its_driver_is_replaced_and_the_pipeline_beside_goes_on(
    tmp_path: Path,
    configure: Configure,
    picture: Path,
    mosquitto: Mosquitto,
    subscriber: Subscriber,
    camera: PipeCamera,
) -> None:
    still = f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}"
    config = configure(mqtt(mosquitto), door=still, yard=f"{{kind: stream, uri: {camera.path}}}")
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: subscriber.on("/results/yard") and subscriber.on("/results/door"), START_S, "results of both")
        camera.hang()
        began = time.monotonic()
        hangs = "reading the source of yard hangs"
        until(lambda: hangs in reasons(subscriber).get("yard", ""), what="the report")
        print(f"reported {time.monotonic() - began:.2f} s after the last picture was written")
        before = len(subscriber.on("/results/door"))
        until(lambda: len(subscriber.on("/results/door")) > before + 20, what="results of the other")
        until(lambda: subscriber.on("/health")[-1].said["pipelines"]["yard"]["source_restarts"] >= 1, what="the count")
        camera.go_on()
        seen = len(subscriber.on("/results/yard"))
        until(lambda: len(subscriber.on("/results/yard")) > seen + 5, what="results again")
        until(lambda: subscriber.states()[-1] == "online", what="the status online")
        door_goes_on(subscriber)
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
    until(lambda: subscriber.states()[-1] == "offline", what="the goodbye")
    seqs = subscriber.seqs()
    assert sorted(seqs) == list(range(1, len(seqs) + 1))


def test_a_pipeline_whose_thread_hangs_can_be_changed_and_ended(
    tmp_path: Path, configure: Configure, picture: Path, camera: PipeCamera
) -> None:
    config = configure(
        "file: {path: results.jsonl}",
        door=f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}",
        yard=f"{{kind: stream, uri: {camera.path}}}",
    )
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: '"yard"' in written(tmp_path), START_S, "results of both")
        camera.hang()
        daemon.says("a thread hangs in a driver")
        text = config.read_text()
        config.write_text(text.replace(f"{{kind: stream, uri: {camera.path}}}", f"{{kind: still, uri: {picture}}}"))
        seen = written(tmp_path).count('"yard"')
        daemon.signal(signal.SIGHUP)
        daemon.says("restarted=yard")
        until(lambda: written(tmp_path).count('"yard"') > seen, what="results of what took its place")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
    lines = [json.loads(line) for line in written(tmp_path).splitlines()]
    door = [line["mono_ns"] for line in lines if line["pipeline"] == "door"]
    assert max(later - sooner for sooner, later in itertools.pairwise(door)) < STALE_NS


def test_a_source_that_stays_stuck_ends_the_process_for_systemd_to_free_the_device(
    tmp_path: Path, configure: Configure, picture: Path, camera: PipeCamera
) -> None:
    config = configure(
        "supervise: {exit_after_s: 1}\nfile: {path: results.jsonl}",
        door=f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}",
        yard=f"{{kind: stream, uri: {camera.path}}}",
    )
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: '"yard"' in written(tmp_path), START_S, "results of both")
        camera.hang()
        assert daemon.ends(START_S) == 75
    assert "yard: the source hangs in its driver (read)" in daemon.log
    assert "Thread source:yard, most recent call last" in daemon.log
    assert daemon.log.splitlines()[-1].startswith("edge-infer: yard: the source hangs in its driver")
    results = [json.loads(line) for line in written(tmp_path).splitlines()]
    assert results[-1]["pipeline"] == "door"


def written(folder: Path) -> str:
    path = folder / "results.jsonl"
    return path.read_text() if path.exists() else ""


def test_a_model_that_hangs_in_the_process_itself_is_loaded_anew(
    tmp_path: Path,
    configure: Configure,
    picture: Path,
    models: Path,
    tpu: FakeTpu,
    mosquitto: Mosquitto,
    subscriber: Subscriber,
) -> None:
    still = f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}"
    config = configure(mqtt(mosquitto), yard=still, door=still)
    twin = f"{{path: {models / 'mobilenet_v1_0.25_128_quant.tflite'}, device: edgetpu, delegate: {tpu.library}"
    head, _, tail = config.read_text().partition("    model: ")
    config.write_text(f"{head}    model: {twin}, isolated: false}}\n{tail.partition(chr(10))[2]}")
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: len(subscriber.on("/results/yard")) > 10, START_S, "results of the accelerator")
        tpu.fail("hang")
        until(lambda: tpu.has_failed, what="the hang")
        began = time.monotonic()
        until(lambda: any(result["status"] == "timeout" for result in of(subscriber, "yard")), what="a timeout")
        print(f"reported {time.monotonic() - began:.2f} s after the model hung")
        seen = len(of(subscriber, "yard"))
        until(lambda: len(of(subscriber, "yard")) > seen + 5, what="results of the model that was loaded anew")
        until(lambda: subscriber.states()[-1] == "online", what="the status online")
        assert "hangs: it gave no answer in" in str([heard.said for heard in subscriber.on("/status")])
        until(lambda: subscriber.on("/health")[-1].said["pipelines"]["yard"]["infer_restarts"] == 1, what="the count")
        assert [result["status"] for result in of(subscriber, "yard")].count("timeout") == 1
        door_goes_on(subscriber)
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
    seqs = subscriber.seqs()
    assert sorted(seqs) == list(range(1, len(seqs) + 1))


def of(subscriber: Subscriber, pipeline: str) -> list[dict[str, Any]]:
    return [result for heard in subscriber.on(f"/results/{pipeline}") for result in heard.said["results"]]


def test_sigusr1_shows_all_stacks_and_the_daemon_goes_on(tmp_path: Path, configure: Configure) -> None:
    with Daemon(tmp_path, "--config", configure("file: {path: results.jsonl}")) as daemon:
        until(lambda: written(tmp_path), START_S, "a result")
        daemon.signal(signal.SIGUSR1)
        daemon.says('File "')
        assert "in do_next" in daemon.log
        assert "in feed" in daemon.log
        seen = len(written(tmp_path))
        until(lambda: len(written(tmp_path)) > seen, what="more results")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(5.0) == 0


def test_a_configuration_that_cannot_be_read_to_its_end_holds_nothing_up(tmp_path: Path, configure: Configure) -> None:
    config = configure("file: {path: results.jsonl}")
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: written(tmp_path), START_S, "a result")
        config.unlink()
        os.mkfifo(config)  # which nobody writes to
        daemon.signal(signal.SIGHUP)
        until(lambda: "wait_for_partner" in waits_in(daemon.process.pid), what="the thread that reads it")
        seen = len(written(tmp_path))
        until(lambda: len(written(tmp_path)) > seen, what="more results")
        daemon.signal(signal.SIGUSR1)
        daemon.says("in load_settings")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(5.0) == 0


def waits_in(pid: int) -> str:
    """What the threads of a process wait for in the kernel."""
    waits = []
    for path in Path(f"/proc/{pid}/task").glob("*/wchan"):
        with suppress(FileNotFoundError):  # a thread may end in between
            waits.append(path.read_text())
    return " ".join(waits)


HANGS = """
import ctypes, pathlib, edge_infer.supervisor as module
really = module.Supervisor.growth_reasons
def growth_reasons(self, settings):
    if pathlib.Path("hang").exists():
        library = (ctypes.PyDLL if pathlib.Path("hang").read_text() else ctypes.CDLL)(None)
        lock = ctypes.create_string_buffer(256)
        library.pthread_mutex_lock(lock)
        pathlib.Path("hangs").touch()
        library.pthread_mutex_lock(lock)  # no signal ends that
    return really(self, settings)
module.Supervisor.growth_reasons = growth_reasons
from edge_infer.cli.main import entry
entry()
"""


@contextmanager
def main_loop_hangs(folder: Path, config: Path, monkeypatch: pytest.MonkeyPatch, *, gil: bool) -> Iterator[Daemon]:
    """A daemon whose main thread waits for ever in C, with or without the interpreter's lock."""
    (folder / "hangs.py").write_text(HANGS)
    monkeypatch.setattr("command.EDGE_INFER", [sys.executable, str(folder / "hangs.py")])
    with Daemon(folder, "--config", config) as daemon:
        until(lambda: written(folder), START_S, "a result")
        (folder / "hang.new").write_text("gil" * gil)
        (folder / "hang.new").rename(folder / "hang")
        until((folder / "hangs").exists, what="the hang")
        yield daemon


def test_the_stacks_are_shown_though_the_main_thread_hangs_in_c(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    with main_loop_hangs(tmp_path, configure("file: {path: results.jsonl}"), monkeypatch, gil=False) as daemon:
        daemon.signal(signal.SIGUSR1)
        daemon.says("in growth_reasons")
        assert "Thread infer:door, most recent call last" in daemon.log
        seen = len(written(tmp_path))
        until(lambda: len(written(tmp_path)) > seen, what="more results")


def test_the_watchdogs_signal_shows_all_stacks_and_ends_the_process(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    with main_loop_hangs(tmp_path, configure("file: {path: results.jsonl}"), monkeypatch, gil=False) as daemon:
        daemon.signal(signal.SIGQUIT)
        assert daemon.ends(5.0) == StalledError.exit_code
    assert "in growth_reasons" in daemon.log
    assert "Thread infer:door, most recent call last" in daemon.log


def test_a_crash_shows_who_holds_the_lock_of_the_interpreter(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    with main_loop_hangs(tmp_path, configure("file: {path: results.jsonl}"), monkeypatch, gil=True) as daemon:
        daemon.signal(signal.SIGABRT)
        assert daemon.ends(5.0) == -signal.SIGABRT
        assert "in growth_reasons" in daemon.log


@pytest.mark.parametrize("gil", [False, True])
@pytest.mark.parametrize("watchdog_s", [2, pytest.param(0, marks=pytest.mark.slow)])
def test_a_main_loop_that_hangs_ends_the_process_where_systemd_does_not(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch, *, watchdog_s: int, gil: bool
) -> None:
    """0: without systemd. With the lock of the interpreter none but a thread in C can show where the others are."""
    monkeypatch.setenv("WATCHDOG_USEC", str(watchdog_s * 1_000_000))
    with main_loop_hangs(tmp_path, configure("file: {path: results.jsonl}"), monkeypatch, gil=gil) as daemon:
        assert daemon.ends((watchdog_s or MAIN_S) + START_S) == (1 if gil else StalledError.exit_code)
    assert "in growth_reasons" in daemon.log
    assert gil or "Thread infer:door, most recent call last" in daemon.log


def test_systemd_is_told_how_it_is_doing(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch, picture: Path
) -> None:
    config = configure(
        "file: {path: results.jsonl}",
        door=f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}",
        yard=f"{{kind: camera, uri: {tmp_path / 'no-camera'}}}",
    )
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")

        def said(line: str) -> bool:
            with suppress(BlockingIOError):
                while True:
                    heard.extend(systemd.recv(4096).decode().splitlines())
            return any(one.startswith(line) for one in heard)

        with Daemon(tmp_path, "--config", config) as daemon:
            until(lambda: said("READY=1"), START_S, "READY")
            until(lambda: said("STATUS=2 pipelines, "), what="a status")
            until(
                lambda: any(
                    "fps on cpu" in line and "degraded: yard: there is no camera" in line
                    for line in heard
                    if said("STATUS")
                ),
                what="a status that names the fault",
            )
            heard.clear()
            until(lambda: said("x") or heard.count("WATCHDOG=1") >= 3, what="the watchdog is fed")
            environment = Path(f"/proc/{daemon.process.pid}/environ").read_text()
            assert "NOTIFY_SOCKET" in environment  # as it was at the start: only children have none
            heard.clear()
            daemon.signal(signal.SIGHUP)
            until(lambda: said("READY=1"), what="the end of the reload")
            order = [line.partition("=")[0] for line in heard]
            assert order.index("RELOADING") + 1 == order.index("MONOTONIC_USEC") < order.index("READY")
            daemon.signal(signal.SIGTERM)
            assert daemon.ends(5.0) == 0
            assert said("STOPPING=1")


def test_a_stdout_that_nobody_reads_is_reported_and_holds_nothing_up(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    with Daemon(tmp_path, "--config", configure(mqtt(mosquitto)), "--stdout", stdout=subprocess.PIPE) as daemon:
        pipe = daemon.process.stdout
        assert pipe
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        until(lambda: subscriber.on("/status") and "stdout" in reasons(subscriber), START_S, "the report")
        assert reasons(subscriber)["stdout"].startswith("stdout takes no line for 2.5 s")
        seen = len(subscriber.on("/results/door"))
        until(lambda: len(subscriber.on("/results/door")) > seen + 10, what="more results")
        os.read(pipe.fileno(), 1 << 20)
        reader = threading.Thread(target=lambda: all(iter(lambda: os.read(pipe.fileno(), 65536), b"")))
        reader.start()
        until(lambda: subscriber.states()[-1] == "online", what="the end of the trouble")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
        reader.join(10.0)


def test_a_process_that_takes_too_much_memory_ends(tmp_path: Path, configure: Configure, picture: Path) -> None:
    sources = {f"p{n}": f"{{kind: still, uri: {picture}, fps: 5, size: [160, 120]}}" for n in range(2)}
    config = configure("supervise: {max_rss_bytes: 10000000}\nfile: {path: results.jsonl}", **sources)
    with Daemon(tmp_path, "--config", config) as daemon:
        assert daemon.ends(START_S) == 75
    assert "more than supervise.max_rss_bytes" in daemon.log.splitlines()[-1]
