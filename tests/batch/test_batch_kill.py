"""`edge-infer batch` is killed, stopped, starved; and goes on."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from batches import (
    BUNDLE,
    START_S,
    arguments,
    batch,
    film,
    interrupt,
    pictures,
    rows,
    running,
    start,
    whole_rows,
    workers,
)
from waiting import until

from edge_infer.cli.main import main

FRAMES = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures and a video: some seconds of work."""
    folder = pictures(tmp_path_factory.mktemp("killed") / "in", 60)
    film(folder / "clip.avi", FRAMES)
    return folder


def keys(out: Path) -> list[tuple[str, int]]:
    return [(Path(row["input"]).name, row.get("frame", -1)) for row in rows(out)]


EXPECTED = sorted([(f"p{n}.jpg", -1) for n in range(60)] + [("clip.avi", n) for n in range(FRAMES)])


def test_killed_again_and_again_each_input_is_there_once(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    kept = b""
    for least in (1, 100):
        with running(out, folder) as process:
            until(lambda least=least: whole_rows(out) >= least or process.poll() is not None, START_S)  # type: ignore[misc]
            process.kill()
        whole = out.read_bytes()[: out.read_bytes().rindex(b"\n") + 1]
        assert whole.startswith(kept)
        kept = whole
        out.write_bytes(kept + b'{"input":"torn')  # as a power cut may leave it
    there = whole_rows(out)
    summary = batch(out, folder)
    assert (summary["rows"], summary["new"], summary["complete"]) == (210, 210 - there, True)
    assert sorted(keys(out)) == EXPECTED
    assert [frame for _, frame in keys(out) if frame >= 0] == list(range(FRAMES))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "systemd"])
def test_a_stop_is_75_keeps_what_was_done_and_says_how_to_go_on(
    number: signal.Signals, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.jsonl"
    with running(out, folder) as process:
        until(lambda: whole_rows(out) >= 10, START_S)
        own = psutil.Process(process.pid)
        own.suspend()  # it would be done before the other one has found it
        assert main(arguments(out, folder)) == 75
        assert f"another batch writes {out} now" in capsys.readouterr().err
        own.resume()
        interrupt(process, number)
        said, complaints = process.communicate(timeout=20)
    assert process.returncode == 75
    assert complaints == "edge-infer: stopped; the same command goes on from there\n"
    assert '"complete": false' in said
    kept = keys(out)
    assert 10 <= len(kept) < 210
    assert len(set(kept)) == len(kept)


def test_a_worker_that_is_killed_is_replaced(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    with running(out, folder) as process:
        until(lambda: whole_rows(out) >= 5 and len(workers(process)) == 2, START_S)
        one, other = workers(process)
        other.suspend()  # what it has in hand keeps the batch from ending
        one.kill()
        until(lambda: whole_rows(out) >= 60 and len(workers(process)) == 2, START_S)
        other.kill()
        said, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    assert '"crashes": 2' in said
    assert sorted(keys(out)) == EXPECTED
    assert all(row["status"] == "ok" for row in rows(out))


POISON = """
import os, signal
from edge_infer.sources import images
read = images.read_image
def read_image(path):
    if "poison" in str(path):
        os.kill(os.getpid(), signal.SIGSEGV)
    return read(path)
images.read_image = read_image
"""


def test_what_kills_two_workers_is_a_row_and_the_others_are_done(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 20)
    for number in (0, 7, 8):
        (folder / f"p{number}.jpg").rename(folder / f"p{number}poison.jpg")
    (tmp_path / "sitecustomize.py").write_text(POISON)
    out = tmp_path / "results.jsonl"
    summary = batch(out, folder, code=65, PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    made = rows(out)
    assert len(made) == len({row["input"] for row in made}) == 20
    bad = [row for row in made if row["status"] == "error"]
    assert [Path(row["input"]).name for row in bad] == ["p0poison.jpg", "p7poison.jpg", "p8poison.jpg"]
    assert all("two workers died of it: the last one was killed by SIGSEGV" in row["error"] for row in bad)
    assert summary["crashes"] == 6


STILLBORN = """
import os, sys
from edge_infer import loading
if "forkserver" in str(sys.orig_argv):
    loading.load = lambda *_, **__: os._exit(9)
"""


def test_workers_that_die_while_they_load_are_75_and_one_line(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 2)
    (tmp_path / "sitecustomize.py").write_text(STILLBORN)
    process = start(
        *arguments(tmp_path / "results.jsonl", folder), PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}"
    )
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, said) == (75, "")
    assert "3 workers in a row died while they loaded the model (ended with exit code 9)" in complaints
    assert complaints.count("\n") == 1


HANGING = """
import os, signal, sys
from edge_infer.tools.batch.crew import Lost
from edge_infer.tools.batch.items import Item
from edge_infer.tools.batch.local import LocalCrew
from edge_infer.tools.batch.shard import ModelSpec

def main(crew):
    while not crew.free():
        list(crew.news(1.0))
    worker = crew._workers[0].process.pid
    os.kill(worker, signal.SIGSTOP)  # as a file system that is gone holds it
    crew.give(0, [Item("a.jpg"), Item("b.jpg")])
    news = []
    while not news:
        news = list(crew.news(1.0))
    assert news == [Lost((Item("a.jpg"),), (Item("b.jpg"),), "gave no answer for 0.5 s")], news
    assert crew.free() == [] and crew._workers.keys() == {1}
    assert not os.path.exists(f"/proc/{worker}")

if __name__ == "__main__":
    crew = LocalCrew(ModelSpec(sys.argv[1], {}, "/"), 1, hangs_s=0.5)
    try:
        main(crew)
    finally:
        crew.close()
"""


def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    subprocess.run([sys.executable, str(tmp_path / "hanging.py"), str(BUNDLE)], check=True, timeout=60)
