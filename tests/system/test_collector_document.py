"""docs/collector.md: its commands run, its rules are enough, and it shows what the audit prints."""

import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest
from broker import Mosquitto
from collected import Collect, Collector, audit, audited
from command import EDGE_INFER, REPOSITORY, START_S, environment
from waiting import until

from edge_infer.cli.main import make_parser
from edge_infer.collector.arrivals import DeadLetter, GapReport, Presence, Row, Rows
from edge_infer.collector.database import open_database
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import Message, connect
from edge_infer.wire.payloads import Envelope, Gap, Gaps, StatusMessage
from edge_infer.wire.topics import Kind, Topics

PORCH = Topics("porch")
DOCUMENT = (REPOSITORY / "docs/collector.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_commands_of_the_document_work(tmp_path: Path, mosquitto: Mosquitto, collect: Collect) -> None:
    collect().says("collecting").kill()
    (tmp_path / "collected.db").rename(tmp_path / "edge-infer.db")
    ran = 0
    for line in "".join(blocks("bash")).splitlines():
        command = shlex.split(line)[1:]
        make_parser("collector").parse_args(command)
        if "postgresql://" in line:  # what it names is not here
            continue
        command = [argument.replace("mqtt://broker.local", mosquitto.url) for argument in command]
        with subprocess.Popen(
            [*EDGE_INFER, *command], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
        ) as process:
            if command[1] == "run":
                assert process.stderr
                assert "collecting" in process.stderr.readline()
                process.send_signal(signal.SIGTERM)
            assert process.wait(START_S) == 0
        ran += 1
    assert ran == 5


def test_the_rules_of_the_document_are_enough(tmp_path: Path, mosquitto: Mosquitto) -> None:
    (rules,) = [block for block in blocks("text") if block.startswith("user ")]
    (settings,) = [block for block in blocks("text") if block.startswith("max_inflight")]
    settings = re.sub(r"persistence.*\n|autosave.*\n|set_tcp_nodelay.*\n|max_queued.*\n", "", settings)
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("needs mosquitto_passwd: apt install mosquitto")
    (tmp_path / "rules").write_text(rules)
    for number, user in enumerate(("collector", "porch")):
        command = [tool, "-b", *(["-c"] if not number else []), str(tmp_path / "users"), user, "secret"]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
    (tmp_path / "secret").write_text("secret\n")
    for name in ("rules", "users"):
        (tmp_path / name).chmod(0o600)
    settings += f"allow_anonymous false\npassword_file {tmp_path / 'users'}\nacl_file {tmp_path / 'rules'}"
    logged_in = ("--username", "collector", "--password-file", str(tmp_path / "secret"))
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder, settings) as guarded, Collector(tmp_path, guarded.url, *logged_in) as collector:
        collector.says("collecting")
        link = connect(Broker(url=guarded.url, username="porch", password_file=tmp_path / "secret"), "porch",
                       subscribe=(PORCH.ack,), on_message=(heard := []).append)  # fmt: skip
        until(lambda: link.wait(0.01) or link.subscribed, what="the subscription")
        results = [{"time": 1.0}]
        for kind, first_seq in ((Kind.RESULT, 1), (Kind.EVENT, 2), (Kind.HEALTH, 3)):
            envelope = Envelope(device="porch", epoch=1, boot="b", first_seq=first_seq, clock="synced", results=results)
            link.publish(
                Message(
                    PORCH.envelopes(kind, "_health" if kind == Kind.HEALTH else "door"), msgspec.json.encode(envelope)
                )
            )
        gap = Gap(epoch=1, first=4, last=4, reason="full")
        link.publish(Message(PORCH.gaps, msgspec.json.encode(Gaps(device="porch", boot="b", gaps=(gap,)))))
        status = StatusMessage(device="porch", state="offline", time=1.0, epoch=1, boot="b", last_seq=4)
        link.publish(Message(PORCH.status, msgspec.json.encode(status), retain=True))
        until(lambda: link.wait(0.01) or heard, what="an acknowledgement")
        until(
            lambda: link.wait(0.01) or (audited(tmp_path)["boot"] and not audited(tmp_path)["missing"]),
            what="all stored",
        )
        link.close()
        assert (audited(tmp_path)["rows"], audited(tmp_path)["highest"]) == (3, 4)
        assert "refuses" not in collector.log
        assert "does not deliver" not in collector.log


def test_the_document_shows_what_audit_prints(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "collected.db"))
    row = Row(1_700_000_000.0, 1, b'{"time": 1700000000.0}')

    def rows(device: str, epoch: int, first: int, last: int, boot: str = "") -> Rows:
        boot = boot or f"{device}-{epoch}"
        return Rows(Kind.RESULT, device, epoch, boot, first, "door", "synced", [row] * (last - first + 1))

    def presence(device: str, epoch: int, last: int, oldest: int | None) -> Presence:
        held = None if oldest is None else (epoch, oldest)
        return Presence(device, "online", 1_700_000_000.0, epoch, f"{device}-{epoch}", last, held, settled=True)

    evicted = Gap(epoch=1, first=401, last=430, reason="outbox full")
    power = Gap(epoch=2, first=87, last=None, reason="power")
    database.store([rows("attic", 1, 1, 250), presence("attic", 1, 250, None)], 1.0)
    database.expire(2.0)
    database.store(
        [
            rows("attic", 1, 251, 300),
            DeadLetter("edge/v1/attic/results/door", b"{", "it is not as agreed", "attic"),
            presence("attic", 1, 300, None),
            rows("porch", 1, 1, 400),
            rows("porch", 1, 431, 900),
            GapReport("porch", "porch-2", [evicted]),
            rows("porch", 2, 1, 86),
            rows("porch", 2, 90, 91),
            GapReport("porch", "porch-3", [power]),
            rows("porch", 3, 1, 120),
            presence("porch", 3, 150, 121),
            rows("yard", 7, 1, 60),
            rows("yard", 7, 64, 70),
            rows("yard", 7, 1, 10, boot="a-clone"),
            presence("yard", 7, 70, None),
        ],
        3.0,
    )
    database.close()
    done = audit(tmp_path)
    assert done.returncode == 1
    assert done.stdout in blocks("text"), done.stdout
