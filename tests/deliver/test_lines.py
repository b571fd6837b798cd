"""Results as JSON lines."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made import a_result, an_event
from waiting import until

from edge_infer.deliver.lines import CAPACITY, LinesSink

PUBLISH_TO_STDOUT = """
from edge_infer.deliver.lines import LinesSink
from made import a_result
sink = LinesSink(None)
for number in range({count}):
    sink.publish(a_result(number))
{then}
"""


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Those that are complete: the last one may be on its way."""
    complete = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in complete]


def test_each_result_is_a_line_with_its_pipeline(tmp_path: Path) -> None:
    sink = LinesSink(tmp_path / "deep/results.jsonl")
    assert [sink.publish(a_result(number), "porch") for number in range(20)] == list(range(1, 21))
    assert sink.close() == 0
    lines = lines_of(tmp_path / "deep/results.jsonl")
    assert [line["frame"] for line in lines] == list(range(20))
    assert {line["pipeline"] for line in lines} == {"porch"}


def test_an_event_is_a_line_of_its_own(tmp_path: Path) -> None:
    sink = LinesSink(tmp_path / "results.jsonl")
    assert sink.publish(a_result(1), "porch") == 1
    assert sink.publish_event(an_event(1), "porch") == 2
    assert sink.close() == 0
    result, event = lines_of(tmp_path / "results.jsonl")
    assert "event" not in result
    assert event["pipeline"] == "porch"
    assert event["event"]["label"] == "person"


def test_a_file_is_continued(tmp_path: Path) -> None:
    for number in range(2):
        sink = LinesSink(tmp_path / "results.jsonl")
        sink.publish(a_result(number))
        sink.close()
    assert [line["frame"] for line in lines_of(tmp_path / "results.jsonl")] == [0, 1]


def test_a_file_that_grows_too_big_is_moved_aside_between_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    sink = LinesSink(path, max_bytes=2000)
    for number in range(30):
        sink.publish(a_result(number))
    assert sink.close() == 0
    assert path.stat().st_size <= 2000
    assert path.with_name("results.jsonl.1").stat().st_size <= 2000
    kept = [line["frame"] for file in (path.with_name("results.jsonl.1"), path) for line in lines_of(file)]
    assert kept == list(range(30 - len(kept), 30))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_costs_lines_which_are_counted_and_not_the_sink() -> None:
    sink = LinesSink(Path("/dev/full"))
    sink.publish(a_result())
    until(lambda: sink.trouble, what="the failed write")
    sink.publish(a_result())
    assert sink.error is None
    assert sink.close() == 2
    assert sink.error is None


def test_a_folder_that_appears_later_gets_what_waits(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    sink = LinesSink(tmp_path / "folder/results.jsonl")
    sink.publish(a_result(0))
    until(lambda: sink.trouble, what="the failed attempt")
    (tmp_path / "folder").unlink()
    until(lambda: len(lines_of(tmp_path / "folder/results.jsonl")) == 1, what="the line")
    assert sink.close() == 0


def test_a_line_that_was_torn_is_taken_back(tmp_path: Path) -> None:
    script = PUBLISH_TO_STDOUT.replace("LinesSink(None)", "LinesSink(Path('results.jsonl'))").format(
        count=40, then="print(sink.close(), sink.error)"
    )
    limit = "import resource, signal\nfrom pathlib import Path\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
    done = run(limit + script, tmp_path)
    lost, error = done.stdout.split()
    lines = lines_of(tmp_path / "results.jsonl")
    assert error == "None"
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert len(lines) + int(lost) == 40
    assert int(lost) > 0


def test_a_reader_of_stdout_that_leaves_ends_the_writing_quietly(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    script = PUBLISH_TO_STDOUT.format(
        count=1, then="sink._worker.join(5.0)\nassert type(sink.error) is BrokenPipeError"
    )
    with os.fdopen(write, "wb") as stdout:
        done = run(script, tmp_path, stdout=stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_of_stdout_that_does_not_read_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    read, write = os.pipe()
    then = (
        "import time\nwhile len(sink._mailbox) < 100: time.sleep(0.01)\nassert sink.close() >= 100\nsys.stdout.flush()"
    )
    script = "import sys\n" + PUBLISH_TO_STDOUT.format(count=1000, then=then)
    try:
        done = run(script, tmp_path, stdout=write)
    finally:
        os.close(read)
        os.close(write)
    assert done.returncode == 0, done.stderr


def test_more_lines_than_can_wait_cost_the_oldest(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    sink = LinesSink(tmp_path / "folder/results.jsonl")
    sink.publish(a_result(0))
    until(lambda: sink.trouble, what="the failed attempt")
    for number in range(1, CAPACITY + 101):
        sink.publish(a_result(number))
    (tmp_path / "folder").unlink()
    until(lambda: len(lines_of(tmp_path / "folder/results.jsonl")) == CAPACITY + 1, what="the lines")
    assert sink.close() == 100
    assert [line["frame"] for line in lines_of(tmp_path / "folder/results.jsonl")] == [0, *range(101, CAPACITY + 101)]


def run(script: str, folder: Path, stdout: object = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": ""},
        stdout=stdout,  # type: ignore[arg-type]
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
