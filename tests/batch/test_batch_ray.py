"""The same on a Ray cluster: one of our own, with two workers, gone afterwards."""

import contextlib
import importlib.util
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from batches import arguments, batch, film, pictures, rows, start, told, whole_rows
from test_batch_kill import POISON
from waiting import until

pytestmark = [
    pytest.mark.slow,  # a cluster begins within five seconds, or twenty on a busy machine
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'edge-infer[ray]'"),
]
RAY = ("--engine", "ray", "--workers", "2")


@pytest.fixture
def short() -> Iterator[str]:
    """Where Ray's sockets fit; nothing may be left in it, nor any process that works there."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    yield folder
    try:
        until(lambda: not working_in(folder), what="the end of Ray's processes")
    finally:
        end_all(folder)
        shutil.rmtree(folder)


def working_in(folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            works_there = folder in " ".join(process.cmdline()) or process.environ().get("TMPDIR") == folder
            found += [process] if works_there else []
        except psutil.Error:
            continue
    return found


def end_all(folder: str) -> None:
    for process in working_in(folder):
        with contextlib.suppress(psutil.Error):
            process.kill()


def test_a_cluster_says_the_same_as_this_machine(tmp_path: Path, short: str) -> None:
    folder = pictures(tmp_path / "in", 12)
    (folder / "p3.jpg").write_bytes(b"no picture")
    film(folder / "clip.avi", 40)
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    batch(here, folder, code=65)
    summary = batch(there, folder, options=RAY, code=65, TMPDIR=short, HOME=str(tmp_path))
    assert (summary["rows"], summary["errors"], summary["engine"]) == (52, 1, "ray")
    assert list(Path(short).iterdir()) == []

    def in_order(out: Path) -> list[object]:  # of the frames and of the pictures, which come beside each other
        return sorted(map(told, rows(out)), key=lambda row: "frame" in row)

    assert in_order(there) == in_order(here)


def test_what_kills_two_actors_is_a_row_and_the_others_are_done(tmp_path: Path, short: str) -> None:
    folder = pictures(tmp_path / "in", 12)
    (folder / "p7.jpg").rename(folder / "p7poison.jpg")
    (tmp_path / "sitecustomize.py").write_text(POISON)
    out = tmp_path / "results.jsonl"
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    summary = batch(out, folder, options=RAY, code=65, PYTHONPATH=path, TMPDIR=short, HOME=str(tmp_path))
    bad = [row for row in rows(out) if row["status"] == "error"]
    assert (summary["rows"], len(bad), summary["crashes"]) == (12, 1, 2)
    assert "p7poison.jpg" in bad[0]["input"]
    assert "two workers died of it" in bad[0]["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_it_goes_on_after_its_end(number: signal.Signals, tmp_path: Path, short: str) -> None:
    folder = pictures(tmp_path / "in", 2)
    film(folder / "clip.avi", 400)
    out = tmp_path / "results.jsonl"
    with start(*arguments(out, folder, options=RAY), TMPDIR=short, HOME=str(tmp_path)) as process:
        until(lambda: whole_rows(out) > 20, 60)
        process.send_signal(number)
        process.wait(30)
        if number == signal.SIGKILL:
            end_all(short)  # Ray follows its driver's death, but for an agent now and then (seen with 2.44 and 2.60)
        process.communicate()
    assert process.returncode == (75 if number == signal.SIGTERM else -signal.SIGKILL)
    assert number == signal.SIGKILL or list(Path(short).iterdir()) == []
    there = whole_rows(out)
    assert 20 < there < 402
    assert batch(out, folder)["new"] == 402 - there


def test_where_no_cluster_listens_it_is_69_and_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = start(
        *arguments(tmp_path / "results.jsonl", pictures(tmp_path / "in", 1), options=RAY),
        RAY_ADDRESS=f"127.0.0.1:{port}",
    )
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, said) == (69, "")
    assert complaints.startswith(f"edge-infer: there is no Ray at 127.0.0.1:{port} (")
    assert complaints.count("\n") == 1
