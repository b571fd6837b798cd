"""`edge-infer outbox`: what waits on the disk, beside a daemon and without one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from made import a_result
from waiting import until

from edge_infer.cli.main import main
from edge_infer.deliver.keeper import Keeper
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.tools.local_broker import free_port
from edge_infer.wire.topics import Kind


@pytest.fixture
def running(tmp_path: Path) -> Iterator[MqttPublisher]:
    """A device without a broker that has 30 results on its disk."""
    limits = OutboxSettings(commit_s=0.05)
    url = f"mqtt://127.0.0.1:{free_port()}"
    publisher = MqttPublisher(url, device="porch", state_dir=tmp_path, outbox=limits)
    publisher.start()
    for number in range(30):
        publisher.publish(a_result(number))
    until(lambda: publisher.health().stored == 30, what="30 results on the disk")
    yield publisher
    publisher.close(drain_s=0.0)


def outbox(capsys: pytest.CaptureFixture[str], *arguments: str, folder: Path) -> tuple[int, str, str]:
    code = main(["outbox", *arguments, "--state-dir", str(folder)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_status_tells_how_much_waits(
    running: MqttPublisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = outbox(capsys, "status", "--json", folder=tmp_path)
    found = json.loads(out)
    assert (code, found["results"], found["oldest"], found["device"]) == (0, 30, [1, 1], "porch")
    assert found["daemon"] == "running"
    running.close(drain_s=0.0)
    code, out, _ = outbox(capsys, "status", folder=tmp_path)
    assert "30 records wait" in out
    assert "daemon not running" in out
    assert "the oldest: epoch 1, seq 1" in out


def test_list_and_export_give_each_record(
    running: MqttPublisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = outbox(capsys, "list", "--limit", "3", folder=tmp_path)
    assert [line.split()[:4] for line in out.splitlines()] == [["1", str(n), "result", "door"] for n in (1, 2, 3)]
    target = tmp_path / "out.jsonl"
    _, _, err = outbox(capsys, "export", "--out", str(target), folder=tmp_path)
    assert err == "30 records exported\n"
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 31))
    assert [line["payload"]["frame"] for line in lines] == list(range(30))


def test_drop_wants_to_be_meant(running: MqttPublisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = outbox(capsys, "drop", folder=tmp_path)
    assert code == 64
    assert "30 records" in err
    assert "--yes" in err
    assert running.health().waiting == 30


def test_drop_beside_a_daemon_becomes_a_gap_there(
    running: MqttPublisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = outbox(capsys, "drop", "--yes", folder=tmp_path)
    assert (code, out) == (0, "30 records dropped; they are reported as a gap\n")
    until(lambda: running.health().evicted == 30, what="the drop")
    (gap,) = running.outbox.take_gaps()
    assert (gap.first, gap.last, gap.reason) == (1, 30, "dropped by an operator")
    running.publish(a_result())
    assert running.health().waiting == 1


def test_drop_without_a_daemon_becomes_a_gap_at_the_next_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = Keeper(tmp_path, "porch", OutboxSettings())
    for _ in range(5):
        keeper.outbox.put(Kind.RESULT, "door", b"{}")
    assert keeper.close()
    assert outbox(capsys, "drop", "--yes", folder=tmp_path)[1].startswith("5 records dropped")
    again = Keeper(tmp_path, "porch", OutboxSettings())
    assert again.outbox.counts.recovered == 0
    (gap,) = again.outbox.take_gaps()
    assert (gap.epoch, gap.first, gap.last, gap.reason) == (1, 1, 5, "dropped by an operator")
    again.close()


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = outbox(capsys, "status", folder=tmp_path)
    assert (code, "there is no outbox in" in err) == (69, True)
    for device in ("a", "b"):
        Keeper(tmp_path, device, OutboxSettings()).close()
    code, _, err = outbox(capsys, "status", folder=tmp_path)
    assert (code, "choose with --device: a, b" in err) == (69, True)
    assert outbox(capsys, "status", "--device", "a", folder=tmp_path)[0] == 0
    (tmp_path / "outbox-a.db").write_bytes(b"no database at all" * 100)
    code, _, err = outbox(capsys, "status", "--device", "a", folder=tmp_path)
    assert (code, "file is not a database" in err) == (69, True)
