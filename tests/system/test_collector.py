"""`edge-infer collector` as a process that is killed, stopped, and asked."""

import json
import signal
import sqlite3
import threading
from pathlib import Path

import pytest
from broker import Mosquitto, with_password
from collected import Collect, Collector, Device, audit, audited
from command import START_S, run
from waiting import until


def test_from_the_device_to_the_proof(tmp_path: Path, mosquitto: Mosquitto, collect: Collect) -> None:
    collector = collect("--retention-days", "365").says("collecting")
    with Device(mosquitto) as device:
        device.publishes(100)
        until(device.is_settled, what="the acknowledgements")
        device.says_goodbye()
    with sqlite3.connect(tmp_path / "collected.db") as database:
        until(lambda: database.execute("SELECT state FROM devices").fetchall() == [("offline",)], what="the goodbye")
    database.close()
    collector.process.send_signal(signal.SIGTERM)
    assert collector.process.wait(START_S) == 0
    done = audit(tmp_path)
    assert done.returncode == 0
    assert done.stdout.endswith("nothing is missing: each number is one row, or lies in one gap\n")
    assert audited(tmp_path)["rows"] == 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(collect: Collect, number: signal.Signals) -> None:
    collector = collect().says("collecting")
    collector.process.send_signal(number)
    assert collector.process.wait(START_S) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path, mosquitto: Mosquitto, collect: Collect) -> None:
    collector = collect().says("collecting")
    with sqlite3.connect(tmp_path / "collected.db", isolation_level=None) as lock, Device(mosquitto) as device:
        lock.execute("BEGIN IMMEDIATE")
        device.publishes(10)
        collector.process.send_signal(signal.SIGTERM)
        until(lambda: _signalled_again(collector), START_S, "the end")
        assert device.acknowledged.count == 0
    lock.close()
    assert collector.process.returncode == 128 + signal.SIGTERM


def _signalled_again(collector: Collector) -> bool:
    """More wishes to end, until one comes late enough to be another one."""
    collector.process.send_signal(signal.SIGTERM)
    return collector.process.poll() is not None


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def test_a_collector_that_is_killed_again_and_again_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, collect: Collect, kills: int
) -> None:
    enough = threading.Event()
    with Device(mosquitto) as device:

        def feed() -> None:
            while not enough.wait(0.001):
                if device.sent < device.acknowledged.count + 2000:
                    device.publishes(10)

        collect().says("collecting").kill()  # from here the broker keeps what comes for it
        feeding = threading.Thread(target=feed)
        feeding.start()
        try:
            for turn in range(kills):
                before = device.acknowledged.count
                collector = collect()
                until(lambda before=before: device.acknowledged.count > before, START_S, f"progress in turn {turn}")
                collector.kill()
        finally:
            enough.set()
            feeding.join(20.0)
        collect()
        until(device.is_settled, 60.0, "all acknowledged")
        device.says_goodbye()
    until(lambda: audited(tmp_path)["boot"], what="the goodbye")
    found = audited(tmp_path)
    assert (found["rows"], found["highest"], found["double"]) == (device.sent, device.sent, [])
    assert found["missing"] == found["awaited"] == []


def test_a_broker_that_is_killed_with_all_it_holds_loses_nothing_that_a_device_resends(
    tmp_path: Path, mosquitto: Mosquitto, collect: Collect
) -> None:
    collector = collect().says("collecting")
    with Device(mosquitto) as device:
        device.publishes(500)
        with sqlite3.connect(tmp_path / "collected.db", isolation_level=None) as lock:
            lock.execute("BEGIN IMMEDIATE")
            device.publishes(200)
            mosquitto.kill()
            lock.execute("COMMIT")
        lock.close()
        collector.says("trying again")
    with mosquitto, Device(mosquitto) as device:
        device.sent = 700
        until(lambda: device.resends() or device.is_settled(), what="700 acknowledged")
        device.says_goodbye()
    until(lambda: not audited(tmp_path)["missing"], what="the goodbye")
    assert (audited(tmp_path)["rows"], audited(tmp_path)["double"]) == (700, [])


def test_two_processes_share_one_group_and_one_file(tmp_path: Path, mosquitto: Mosquitto, collect: Collect) -> None:
    collect("--id", "one").says("collecting")
    collect("--id", "two").says("collecting", 2)
    with Device(mosquitto) as porch, Device(mosquitto, "attic") as attic:
        for device in (porch, attic):
            device.publishes(300)
        until(lambda: porch.is_settled() and attic.is_settled(), what="the acknowledgements")
        for device in (porch, attic):
            device.says_goodbye()
    until(lambda: json.loads(audit(tmp_path, "--json").stdout)["proved"], what="the proof")
    epochs = json.loads(audit(tmp_path, "--json").stdout)["epochs"]
    assert [(epoch["device"], epoch["rows"], epoch["double"]) for epoch in epochs] == [
        ("attic", 300, []),
        ("porch", 300, []),
    ]


def test_a_broker_or_database_that_cannot_be_used_is_one_line_and_69(tmp_path: Path, mosquitto: Mosquitto) -> None:
    def said(*arguments: str | Path) -> str:
        done = run("collector", "run", *arguments)
        assert done.returncode == 69
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("edge-infer: ")]
        return line

    nowhere = tmp_path / "nowhere" / "x.db"
    assert "cannot reach the broker" in said("--mqtt", "mqtt://127.0.0.1:1", "--db", tmp_path / "x.db")
    assert f"there is no folder {nowhere.parent}: make it" in said("--mqtt", mosquitto.url, "--db", nowhere)
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"garbage " * 1000)
    assert "is no SQLite database" in said("--mqtt", mosquitto.url, "--db", garbage)


def test_a_wrong_password_of_the_broker_is_69(tmp_path: Path) -> None:
    with with_password(tmp_path, "col", "right") as mosquitto:
        secret = tmp_path / "secret"
        secret.write_text("wrong\n")
        arguments = ("--mqtt", mosquitto.url, "--db", tmp_path / "x.db", "--username", "col", "--password-file", secret)
        done = run("collector", "run", *arguments)
    assert done.returncode == 69
    assert "check username and password_file" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--mqtt", "broker.local"), "is no broker's URL"),
        (("run", "--mqtt", "mqtt://h", "--group", "a/b"), "group 'a/b' cannot be part of a topic"),
        (("run", "--mqtt", "mqtt://h", "--id", "#"), "id '#' cannot be part of a topic"),
        (("run", "--mqtt", "mqtt://127.0.0.1:1", "--db", "mysql://h/db"), "is no database that edge-infer can write"),
        (("run",), "the following arguments are required: --mqtt"),
        (("expire", "--db", "x.db"), "the following arguments are required: --days"),
        ((), "the following arguments are required: ACTION"),
    ],
)
def test_a_wrong_command_line_is_64(arguments: tuple[str, ...], said: str) -> None:
    done = run("collector", *arguments)
    assert done.returncode == 64
    assert said in done.stderr


def test_there_is_nothing_to_audit_or_expire_where_there_is_no_database(tmp_path: Path) -> None:
    for arguments in (("audit",), ("expire", "--days", "9")):
        done = run("collector", *arguments, "--db", tmp_path / "none.db")
        assert done.returncode == 69
        assert "there is no database" in done.stderr
    assert not (tmp_path / "none.db").exists()
