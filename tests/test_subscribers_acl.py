"""The ACL of docs/subscribers.md lets each do its part, and no more."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from broker import Mosquitto
from subscribers import START_S, a_face, blocks, needs
from waiting import until

from edge_infer.deliver.publisher import MqttPublisher

USERS = ("porch", "yard", "dashboard", "operator", "collector")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with the ACL of the page; each user's password is `secret`."""
    needs("mosquitto_sub", "mosquitto_pub", "mosquitto_passwd")
    (acl,) = blocks("text")
    rules, users, password = (tmp_path / name for name in ("acl", "users", "password"))
    rules.write_text(acl)
    rules.chmod(0o600)
    users.touch(0o600)
    password.write_text("secret\n")
    for user in USERS:
        subprocess.run(["mosquitto_passwd", "-b", users, user, "secret"], check=True, capture_output=True, timeout=20)
    settings = f"allow_anonymous false\npassword_file {users}\nacl_file {rules}\nlog_type all"
    with Mosquitto(tmp_path, settings) as broker:
        yield broker


def device(folder: Path, broker: Mosquitto, device: str, user: str) -> MqttPublisher:
    return MqttPublisher(
        broker.url,
        device=device,
        username=user,
        password_file=folder / "password",
        state_dir=folder / f"state-{device}",
    )


@contextmanager
def listening(folder: Path, broker: Mosquitto, user: str, *topics: str) -> Iterator[Path]:
    """The file that mosquitto_sub writes topics into, once it has subscribed as this user."""
    output = folder / f"heard-by-{user}"
    chosen = [argument for topic in topics for argument in ("-t", topic)]
    command = ["mosquitto_sub", "-p", str(broker.port), "-u", user, "-P", "secret", "-i", f"reader-{user}"]
    with output.open("wb") as file:
        process = subprocess.Popen([*command, *chosen, "-F", "%t"], stdout=file, stderr=subprocess.STDOUT)
    try:
        until(lambda: f"Sending SUBACK to reader-{user}" in (folder / "mosquitto.log").read_text(), what="SUBACK")
        yield output
    finally:
        process.terminate()
        process.wait(10.0)


def say(broker: Mosquitto, user: str, topic: str) -> None:
    """Publish as this user, whether or not the broker allows it."""
    command = ["mosquitto_pub", "-V", "5", "-p", str(broker.port), "-u", user, "-P", "secret", "-q", "1", "-m", "{}"]
    subprocess.run([*command, "-t", topic], check=False, capture_output=True, timeout=START_S)


def test_a_device_publishes_its_own_topics_and_no_other_devices(tmp_path: Path, guarded: Mosquitto) -> None:
    face = a_face()
    with listening(tmp_path, guarded, "dashboard", "edge/v1/#") as heard:
        with device(tmp_path, guarded, "porch", "porch") as out:
            out.publish(face, pipeline="door")
            until(lambda: out.health().acknowledged == 1, START_S, "the acknowledgement")
        posing = device(tmp_path, guarded, "yard", "porch")
        posing.publish(face, pipeline="gate")
        posing.start()
        until(lambda: "Denied PUBLISH" in (tmp_path / "mosquitto.log").read_text(), START_S, "the refusal")
        assert posing.close(drain_s=0.0) == 1
        say(guarded, "porch", "edge/v1/yard/cmd/ping")
        say(guarded, "porch", "edge/v1/yard/ack")
        say(guarded, "yard", "edge/v1/yard/last")
        until(lambda: "edge/v1/yard/last" in heard.read_text(), what="what is allowed")
        topics = heard.read_text().split()
    assert {"edge/v1/porch/results/door", "edge/v1/porch/status"} <= set(topics)
    assert [topic for topic in topics if topic.startswith("edge/v1/yard/")] == ["edge/v1/yard/last"]


def test_a_reader_writes_nothing_and_an_operator_nothing_but_commands(tmp_path: Path, guarded: Mosquitto) -> None:
    with listening(tmp_path, guarded, "collector", "#") as heard:
        for user in ("dashboard", "operator"):
            own = f"edge/v1/{user}"
            for topic in ("edge/v1/porch/results/door", "edge/v1/porch/ack", f"{own}/status", "else/where"):
                say(guarded, user, topic)
        say(guarded, "dashboard", "edge/v1/porch/cmd/ping")
        say(guarded, "operator", "edge/v1/porch/cmd/ping")
        until(lambda: heard.read_text(), what="the operator's command")
        say(guarded, "operator", "edge/v1/porch/cmd/end")
        until(lambda: "cmd/end" in heard.read_text(), what="the last command")
    assert heard.read_text().split() == ["edge/v1/porch/cmd/ping", "edge/v1/porch/cmd/end"]


def test_a_device_hears_its_own_commands_and_acknowledgements_alone(tmp_path: Path, guarded: Mosquitto) -> None:
    with listening(tmp_path, guarded, "porch", "#") as heard:
        for name in ("yard", "porch"):
            say(guarded, "operator", f"edge/v1/{name}/cmd/ping")
            say(guarded, "collector", f"edge/v1/{name}/ack")
        until(lambda: "edge/v1/porch/ack" in heard.read_text(), what="its acknowledgement")
    assert heard.read_text().split() == ["edge/v1/porch/cmd/ping", "edge/v1/porch/ack"]


def test_a_collector_stores_and_acknowledges(tmp_path: Path, guarded: Mosquitto) -> None:
    face = a_face()
    login = ["--username", "collector", "--password-file", str(tmp_path / "password")]
    command = [sys.executable, "-m", "edge_infer", "collector", "run", "--mqtt", guarded.url, *login]
    with (tmp_path / "collector.log").open("wb") as log:
        process = subprocess.Popen([*command, "--db", str(tmp_path / "c.db")], stdout=log, stderr=log)
    try:
        log_text = (tmp_path / "collector.log").read_text
        until(lambda: "collecting" in log_text(), START_S, "the collector")
        with device(tmp_path, guarded, "porch", "porch") as out:
            until(lambda: out.health().ack == "collector", START_S, f"an acknowledgement ({log_text()[-300:]})")
            out.publish(face, pipeline="door")
            until(lambda: out.health().acknowledged == 1, START_S, "the acknowledgement of the result")
    finally:
        process.terminate()
        process.wait(15.0)
    assert "refuses" not in log_text()
