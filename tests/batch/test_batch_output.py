"""What is on the disk: lines that survive a kill, and Parquet."""

import json
from pathlib import Path
from typing import Any

import pytest
from full_disk import small_disk
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import InputError, UnavailableError
from edge_infer.tools.batch.lines import Lines
from edge_infer.tools.batch.output import Output
from edge_infer.tools.batch.record import Maker, Record

MAKER = Maker(schema="edge-infer/batch@1", model="m", files={"m.tflite": "0"}, options={})


def line(name: str, frame: int | None = None, status: str = "ok", **more: Any) -> bytes:
    where = {} if frame is None else {"frame": frame}
    return json.dumps({"input": name, **where, "status": status, **more}).encode()


@given(names=st.lists(st.text(max_size=30), max_size=12), cut=st.integers(0, 400), rubbish=st.binary(max_size=30))
def test_whatever_is_torn_off_whole_rows_are_kept_and_others_follow(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], cut: int, rubbish: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "results.jsonl"
    content = b"".join(line(name) + b"\n" for name in names)
    kept = content[:cut].count(b"\n")
    path.write_bytes(content[:cut] + rubbish.replace(b"{", b"\0") * (cut < len(content)))
    lines = Lines(path)
    assert lines.done.rows == kept
    assert lines.done.whole == set(names[:kept])
    lines.write([line("next")])
    lines.close()
    assert [json.loads(row)["input"] for row in path.read_bytes().splitlines()] == [*names[:kept], "next"]


def test_what_is_there_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    rows = [
        line("p.jpg"),
        line("v.mp4", 0),
        line("v.mp4", 1, "error"),
        line("w.mp4", status="error"),
        line("q", None, "timeout"),
    ]
    path.write_bytes(b"\n".join(rows) + b"\n")
    lines = Lines(path)
    lines.close()
    done = lines.done
    assert (done.rows, done.errors, done.frames, done.whole) == (5, 3, {"v.mp4": 2}, {"p.jpg", "w.mp4", "q"})


def test_what_is_no_output_of_a_batch_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    content = line("a") + b"\nsomething else\n" + line("b") + b"\n"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"line 2 of .* is no row of a batch: .* --restart"):
        Lines(path)
    assert path.read_bytes() == content


def test_a_full_disk_keeps_whole_rows_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path, 64) as disk:
        path = disk.path / "results.jsonl"
        disk.fill(leave=20_000)
        lines = Lines(path)
        rows = [line(f"p{number}", more="x" * 300) for number in range(1000)]
        with pytest.raises(UnavailableError, match=r"cannot write .* \(No space left on device\): .* make room"):
            fill(lines, rows)
        lines.sync()
        lines.close()
        kept = path.read_bytes()
        assert kept.endswith(b"\n")
        disk.free()
        lines = Lines(path)
        assert lines.done.rows == kept.count(b"\n") > 20
        lines.write(rows[lines.done.rows : lines.done.rows + 3])
        lines.close()
        assert path.read_bytes() == b"".join(row + b"\n" for row in rows[: lines.done.rows + 3])


def fill(lines: Lines, rows: list[bytes]) -> None:
    for first in range(0, len(rows), 7):
        lines.write(rows[first : first + 7])


def test_a_finished_video_is_known_again_and_a_torn_note_is_none(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    record = Record(out)
    record.begin(MAKER)
    record.finish("a.mp4")
    record.finish("b.mp4")
    record.close()
    path = tmp_path / "results.jsonl.batch"
    path.write_bytes(path.read_bytes()[:-4])
    record = Record(out)
    assert (record.maker, record.finished) == (MAKER, {"a.mp4"})
    record.finish("b.mp4")
    record.close()
    record = Record(out)
    assert record.finished == {"a.mp4", "b.mp4"}
    record.close()


@pytest.mark.parametrize("kept", range(0, 200, 20))
def test_a_record_that_was_torn_before_the_first_row_is_made_anew(kept: int, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    record = Record(out)
    record.begin(MAKER)
    record.close()
    path = tmp_path / "results.jsonl.batch"
    path.write_bytes(path.read_bytes()[:kept])
    output = Output(out, MAKER, restart=False)
    output.write([line("p")])
    output.close()
    output = Output(out, MAKER, restart=False)
    assert output.done.rows == 1
    output.close()
