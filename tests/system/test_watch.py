"""`edge-infer watch`, and the account that it keeps."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from broker import Mosquitto, Subscriber
from command import EDGE_INFER, START_S, environment, run
from waiting import until

from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Message
from edge_infer.tools.watch import Watch
from edge_infer.wire.payloads import Envelope, Gap, Gaps, StatusMessage
from edge_infer.wire.result_payloads import WireResult

PORCH = "edge/v1/porch"
Configure = Callable[..., Path]


def results(first_seq: int, count: int, epoch: int = 1) -> Message:
    result = WireResult(
        time=float(first_seq),
        mono_ns=0,
        frame=0,
        width=1,
        height=1,
        task="detect",
        status="ok",
        model="m",
        device="cpu",
        timings_ms={"infer": 1.0},
    )
    envelope = Envelope(
        device="porch", epoch=epoch, boot="b", first_seq=first_seq, clock="synced", results=[result] * count
    )
    return Message(f"{PORCH}/results/door", msgspec.json.encode(envelope))


def gap(first: int, last: int, epoch: int = 1) -> Message:
    gaps = Gaps(device="porch", boot="b", gaps=(Gap(epoch=epoch, first=first, last=last, reason="outbox full"),))
    return Message(f"{PORCH}/gaps", msgspec.json.encode(gaps))


def offline(last_seq: int, epoch: int = 1) -> Message:
    status = StatusMessage(device="porch", state="offline", time=0.0, epoch=epoch, boot="b", last_seq=last_seq)
    return Message(f"{PORCH}/status", msgspec.json.encode(status))


def account(*messages: Message, from_start: bool = False) -> tuple[int | None, int, int, int, int]:
    """(published, received, lost, evicted, duplicates) after these messages."""
    watch = Watch(Broker(url="mqtt://h"), from_start=from_start)
    for message in messages:
        watch.add(message)
    device = watch.devices["porch"]
    return device.published, device.received, device.lost, device.evicted, device.ledger.duplicates


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([results(1, 10), offline(10)], (10, 10, 0, 0, 0)),
        ([results(1, 10), offline(12)], (12, 10, 2, 0, 0)),
        ([results(1, 3), results(7, 4)], (None, 7, 3, 0, 0)),
        ([results(1, 10), results(1, 10), offline(10)], (10, 10, 0, 0, 10)),
        ([results(1, 3), gap(4, 6), results(7, 4), offline(10)], (10, 7, 0, 3, 0)),
        ([results(1, 3), gap(4, 6), gap(4, 6), results(7, 4), offline(10)], (10, 7, 0, 3, 3)),
        ([results(101, 10), offline(110)], (10, 10, 0, 0, 0)),
        ([results(101, 10), gap(50, 60), offline(110)], (10, 10, 0, 0, 11)),
        ([results(1, 10), results(1, 2, epoch=2), results(11, 5), offline(2, epoch=2)], (2, 2, 0, 0, 0)),
    ],
)
def test_what_arrived_what_is_missing_and_why(
    messages: list[Message], said: tuple[int | None, int, int, int, int]
) -> None:
    assert account(*messages) == said


def test_a_result_that_comes_twice_is_shown_and_written_once() -> None:
    lines = io.StringIO()
    watch = Watch(Broker(url="mqtt://h"), results=lines, from_start=True)
    for message in (results(1, 10), results(8, 5), results(1, 12)):
        watch.add(message)
    assert watch.devices["porch"].streams["door"].received == 12
    assert len(lines.getvalue().splitlines()) == 12


def test_who_was_there_from_the_start_misses_the_first_results_too() -> None:
    assert account(results(4, 7), offline(10), from_start=True) == (10, 7, 3, 0, 0)
    assert account(results(1, 5), results(2, 3, epoch=2), from_start=True) == (None, 3, 1, 0, 0)


@pytest.mark.parametrize(
    "message",
    [
        Message(f"{PORCH}/results/door", b"garbage"),
        Message(f"{PORCH}/results/door", b'{"results": []}'),
        Message(f"{PORCH}/results/door", b'{"later": ' + b"[" * 100_000),
        Message(f"{PORCH}/status", b"\xff"),
        Message(f"{PORCH}/gaps", b'{"gaps": 7}'),
    ],
)
def test_garbage_is_counted_and_changes_nothing(message: Message) -> None:
    watch = Watch(Broker(url="mqtt://h"))
    watch.add(results(1, 3))
    watch.add(message)
    assert watch.unreadable == 1
    assert watch.devices["porch"].received == 3


@pytest.mark.parametrize(
    "topic", ["edge/v1/_collector/a/status", "edge/v1/porch", "edge/v1/porch/moods/x", "edge/v1/porch/results"]
)
def test_what_is_not_a_devices_word_is_left_out(topic: str) -> None:
    watch = Watch(Broker(url="mqtt://h"))
    watch.add(Message(topic, b"7"))
    assert watch.unreadable == 0


def test_watching_for_a_time_gives_one_summary_a_device(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port) as device:
        command = [*EDGE_INFER, "watch", "--mqtt", mosquitto.url, "--json", "--seconds", "2"]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stderr
            assert watching.stdout
            assert watching.stderr.readline() == f"watching {mosquitto.url}\n"
            for message in (results(1, 5), results(6, 5), offline(12)):
                device.send(message.topic, message.payload)
            summary = json.loads(watching.stdout.read())
            assert watching.wait(START_S) == 0
    assert summary.pop("fps")["door"] > 0
    assert summary == {
        "device": "porch",
        "published": 12,
        "received": 10,
        "lost": 2,
        "evicted": 0,
        "duplicates": 0,
        "events": {},
    }


def test_watching_ends_when_the_device_says_goodbye(mosquitto: Mosquitto, tmp_path: Path) -> None:
    lines = tmp_path / "results.jsonl"
    with Subscriber(mosquitto.port) as device:
        command = [*EDGE_INFER, "watch", "--mqtt", mosquitto.url, "--until-offline", "--results", str(lines)]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stderr
            watching.stderr.readline()
            for message in (results(1, 5), offline(5)):
                device.send(message.topic, message.payload)
            shown, _ = watching.communicate(timeout=START_S)
            assert watching.returncode == 0
    assert "porch  offline  received 5  lost 0" in shown
    assert len(lines.read_text().splitlines()) == 5


def test_a_broker_that_dies_while_we_watch_is_said(mosquitto: Mosquitto) -> None:
    with subprocess.Popen(
        [*EDGE_INFER, "watch", "--mqtt", mosquitto.url],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr
        watching.stderr.readline()
        mosquitto.kill()
        until(lambda: watching.poll() is not None, START_S, "the end")
        assert watching.returncode == 69
        assert watching.stderr.read() == f"edge-infer: lost the broker {mosquitto.url}: the connection broke\n"


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("mqtt://127.0.0.1:1", 69, "cannot reach the broker mqtt://127.0.0.1:1: Connection refused"),
        ("mqtt://no-such-host.invalid", 69, "the host is not known"),
        ("broker.local", 64, "is no broker's URL"),
        ("mqtt://me:secret@broker.local", 64, "use username and password_file"),
    ],
)
def test_a_broker_that_cannot_be_watched_is_one_line(url: str, code: int, said: str) -> None:
    done = run("watch", "--mqtt", url, "--seconds", "1")
    assert done.returncode == code
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
