"""The daemon as a process, from its start to its exit code."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import cv2
import msgspec
import numpy as np
import pytest
from broker import Mosquitto, Subscriber
from command import START_S, Daemon, run
from waiting import until

from edge_infer.flow.signals import TWICE_S
from edge_infer.wire.payloads import Envelope, Health, Info, Latest, StatusMessage
from edge_infer.wire.result_payloads import WireResult

Configure = Callable[..., Path]


def mqtt(broker: Mosquitto) -> str:
    return f"mqtt: {{url: '{broker.url}'}}"


def test_results_arrive_and_sigterm_ends_it_cleanly(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    with Daemon(tmp_path, "--config", configure(mqtt(mosquitto))) as daemon:
        until(lambda: len(subscriber.seqs()) >= 20, START_S, "20 results")
        until(lambda: subscriber.on("/health") and subscriber.on("/info"), what="health and info")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(2.0) == 0
    until(lambda: subscriber.states()[-1:] == ["offline"], what="the goodbye")
    seqs = subscriber.seqs()
    assert seqs == list(range(1, len(seqs) + 1))
    assert subscriber.states() == ["online", "offline"]
    last = msgspec.json.decode(subscriber.on("/status")[-1].payload, type=StatusMessage)
    assert (last.last_seq, last.epoch) == (len(seqs), 1)
    assert "Traceback" not in daemon.log
    assert "ERROR" not in daemon.log


def test_every_message_is_what_its_schema_says(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    with Daemon(tmp_path, "--config", configure(mqtt(mosquitto))):
        until(lambda: subscriber.on("/health") and subscriber.on("/info"), START_S, "health and info")
        until(lambda: len(subscriber.on("/health")) >= 3, what="the third health report")
    kinds = {
        "/results/door": Envelope[WireResult],
        "/latest/door": Latest[WireResult],
        "/status": StatusMessage,
        "/info": Info,
        "/health": Health,
    }
    for end, kind in kinds.items():
        for heard in subscriber.on(end):
            msgspec.json.decode(heard.payload, type=kind)
    health = msgspec.json.decode(subscriber.on("/health")[-1].payload, type=Health)
    assert health.pipelines["door"].state == "running"
    assert health.pipelines["door"].frames >= health.pipelines["door"].results > 0
    assert health.outbox.last_seq > 0
    info = msgspec.json.decode(subscriber.on("/info")[-1].payload, type=Info)
    assert (info.device, info.pipelines["door"].source, info.pipelines["door"].device) == ("porch", "still", "cpu")


def test_each_start_has_an_epoch_of_its_own(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber, picture: Path
) -> None:
    config = configure(mqtt(mosquitto), door=f"{{kind: still, uri: {picture}, fps: 100, frames: 3}}")
    for _ in range(2):
        with Daemon(tmp_path, "--config", config) as daemon:
            assert daemon.ends(START_S) == 0
    until(lambda: subscriber.states().count("offline") == 2, what="both goodbyes")
    assert sorted({envelope["epoch"] for envelope in subscriber.envelopes()}) == [1, 2]
    assert len({envelope["boot"] for envelope in subscriber.envelopes()}) == 2


def test_without_a_broker_sigterm_ends_it_in_time(tmp_path: Path, configure: Configure) -> None:
    with Daemon(tmp_path, "--config", configure("mqtt: {url: 'mqtt://127.0.0.1:1'}")) as daemon:
        daemon.says("Connection refused, trying again")
        daemon.says("started")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(7.0) == 0
    assert "Traceback" not in daemon.log


def test_a_second_signal_ends_it_at_once(tmp_path: Path, configure: Configure) -> None:
    with Daemon(tmp_path, "--config", configure("mqtt: {url: 'mqtt://127.0.0.1:1'}")) as daemon:
        daemon.says("started")
        daemon.signal(signal.SIGTERM)
        asked = time.monotonic()
        until(lambda: time.monotonic() > asked + TWICE_S + 0.1, what="a moment")
        assert daemon.process.poll() is None, "it should still try to deliver"
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(1.0) == 128 + signal.SIGTERM


def test_one_wish_to_end_may_come_as_two_signals(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    with Daemon(tmp_path, "--config", configure(mqtt(mosquitto))) as daemon:
        until(subscriber.seqs, START_S, "a result")
        daemon.signal(signal.SIGINT)
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(2.0) == 0
    until(lambda: subscriber.states()[-1:] == ["offline"], what="the goodbye")


def test_who_is_killed_is_lost(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    with Daemon(tmp_path, "--config", configure(mqtt(mosquitto))) as daemon:
        until(subscriber.seqs, START_S, "a result")
        daemon.signal(signal.SIGKILL)
        until(lambda: subscriber.states() == ["online", "lost"], what="the last will")


def test_a_broker_that_comes_later_gets_everything(tmp_path: Path, configure: Configure) -> None:
    mosquitto = Mosquitto(tmp_path)
    with Daemon(tmp_path, "--config", configure(mqtt(mosquitto))) as daemon:
        daemon.says(f"cannot reach the broker {mosquitto.url}: Connection refused, trying again")
        daemon.says("started")
        with mosquitto, Subscriber(mosquitto.port) as subscriber:
            until(lambda: len(subscriber.seqs()) >= 10, START_S, "10 results")
            daemon.signal(signal.SIGTERM)
            assert daemon.ends(2.0) == 0
            until(lambda: subscriber.states()[-1:] == ["offline"], what="the goodbye")


def test_an_unknown_host_is_logged_and_the_daemon_goes_on(tmp_path: Path, configure: Configure) -> None:
    config = configure("mqtt: {url: 'mqtt://no-such-host.invalid'}\nfile: {path: results.jsonl}")
    with Daemon(tmp_path, "--config", config) as daemon:
        daemon.says("cannot reach the broker mqtt://no-such-host.invalid: the host is not known")
        until(lambda: (tmp_path / "results.jsonl").exists(), START_S, "results in the file")
        assert daemon.process.poll() is None


def test_a_video_ends_it_and_no_frame_is_dropped(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (160, 120))
    for number in range(60):
        writer.write(np.full((120, 160, 3), number * 4, np.uint8))
    writer.release()
    config = configure(f"{mqtt(mosquitto)}\nfile: {{path: results.jsonl}}", clip=f"{{kind: video, uri: {video}}}")
    with Daemon(tmp_path, "--config", config) as daemon:
        assert daemon.ends(START_S) == 0
    until(lambda: subscriber.states()[-1:] == ["offline"], what="the goodbye")
    assert subscriber.seqs() == list(range(1, 61))
    frames = [result["frame"] for envelope in subscriber.envelopes() for result in envelope["results"]]
    assert frames == list(range(60))
    assert not any(result.get("dropped") for envelope in subscriber.envelopes() for result in envelope["results"])
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(line["pipeline"], line["frame"]) for line in lines] == [("clip", number) for number in range(60)]


def test_two_pipelines_run_at_once(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber, picture: Path
) -> None:
    source = f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}"
    with Daemon(tmp_path, "--config", configure(mqtt(mosquitto), door=source, yard=source)) as daemon:
        until(lambda: len(subscriber.on("/results/door")) >= 5, START_S, "results of door")
        until(lambda: len(subscriber.on("/results/yard")) >= 5, START_S, "results of yard")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(2.0) == 0
    until(lambda: subscriber.states()[-1:] == ["offline"], what="the goodbye")
    seqs = sorted(subscriber.seqs())
    assert seqs == list(range(1, len(seqs) + 1))


def test_stdout_gets_a_line_for_each_result(tmp_path: Path, configure: Configure, picture: Path) -> None:
    config = configure("", door=f"{{kind: still, uri: {picture}, fps: 50, frames: 8}}")
    done = run("run", "--config", config, cwd=tmp_path)
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert 1 <= len(lines) <= 8
    assert {(line["pipeline"], line["status"]) for line in lines} == {("door", "ok")}


def test_a_reader_of_stdout_that_leaves_ends_it_quietly(tmp_path: Path, configure: Configure) -> None:
    with Daemon(tmp_path, "--config", configure(), "--stdout", stdout=subprocess.PIPE) as daemon:
        assert daemon.process.stdout
        assert daemon.process.stdout.readline()
        daemon.process.stdout.close()
        assert daemon.ends(START_S) == 0
    assert "Traceback" not in daemon.log
    assert "ERROR" not in daemon.log


def test_a_reader_of_stdout_that_does_not_read_does_not_hold_up_the_end(
    tmp_path: Path, picture: Path, model: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"version: 1\ndevice: {{id: porch, state_dir: state}}\npipelines:\n  door:\n"
        f"    source: {{kind: still, uri: {picture}, fps: 500, size: [16, 16]}}\n"
        f"    model: {{path: {model}, device: cpu}}\n    decode: {{kind: tensors}}\n"
    )
    out, into = os.pipe()
    size = fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)  # less than one line
    with (
        os.fdopen(out, "rb") as pipe,
        os.fdopen(into, "wb") as end,
        Daemon(tmp_path, "--config", config, stdout=end) as daemon,
    ):
        until(lambda: waiting_in(pipe) == size, START_S, "a full pipe")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(6.0) == 0


def waiting_in(pipe: IO[bytes]) -> int:
    """Bytes that were written and not read. Source: ioctl(2), FIONREAD."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (("kind: still", "kind: stil"), "7:20", "still"),
        (("device: {id", "devise: {id"), "", "did you mean"),
        (("interval_s: 0.5", "interval_s: soon"), "3:22", "expected"),
        (("version: 1", "version: 1\nversion: 1"), "2:1", "twice"),
        (("mqtt://", "http://"), "4:7", "is no broker's URL"),
        (("mqtt://", "mqtt://me:secret@"), "4:7", "password_file"),
        (("pipelines:", "\tpipelines:"), "", ""),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_place(
    tmp_path: Path, configure: Configure, change: tuple[str, str], place: str, said: str
) -> None:
    config = configure("mqtt: {url: 'mqtt://127.0.0.1'}")
    config.write_text(config.read_text().replace(*change))
    done = run("run", "--config", config, cwd=tmp_path)
    assert done.returncode == 78, done.stderr
    assert said in done.stderr
    assert f"{config}:{place}" in done.stderr
    assert all(line.startswith(f"edge-infer: {config}:") for line in done.stderr.splitlines())
    assert "secret" not in done.stderr


def test_a_missing_configuration_is_said(tmp_path: Path) -> None:
    done = run("run", "--config", tmp_path / "none.yaml", cwd=tmp_path)
    assert done.returncode == 69
    assert done.stderr.startswith("edge-infer: there is no configuration at ")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("path: /", "path: /nowhere/"), 69, "there is no model at /nowhere/"),
        (("uri: /", "uri: /nowhere/"), 69, "/nowhere/"),
        (("device: cpu", "labels: /nowhere"), 69, "/nowhere"),
        (("mqtt: {", "mqtt: {username: a, password_file: none, "), 69, "password file"),
    ],
)
def test_what_trying_again_does_not_mend_ends_it_with_a_reason(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, change: tuple[str, str], code: int, said: str
) -> None:
    config = configure(mqtt(mosquitto))
    config.write_text(config.read_text().replace(*change))
    with Daemon(tmp_path, "--config", config) as daemon:
        assert daemon.ends(START_S) == code
    assert said in daemon.log.splitlines()[-1]
    assert daemon.log.splitlines()[-1].startswith("edge-infer: ")
    assert "Traceback" not in daemon.log
