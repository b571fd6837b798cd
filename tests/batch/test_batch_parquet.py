"""The Parquet form: nothing is lost on the way there or back, and it is there at once or not at all."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from batches import START_S, arguments, batch, film, pictures, running, whole_rows
from waiting import until

from edge_infer.cli.main import main
from edge_infer.tools.batch.output import Output
from edge_infer.tools.batch.record import Maker

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'edge-infer[parquet]'")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'edge-infer[parquet]'")

MAKER = Maker(schema="edge-infer/batch@1", model="m", files={"m.tflite": "0"}, options={})
BASE = {
    "width": 4,
    "height": 3,
    "task": "detect",
    "status": "ok",
    "model": "m",
    "device": "cpu",
    "timings_ms": {"infer": 1.5},
}
FACE = {"label": "face", "class_id": 0, "score": 0.5, "box": [1.0, 2.0, 3.0, 4.0]}
ROWS: list[dict[str, Any]] = [
    {"input": "a.jpg", **BASE, "detections": [FACE]},
    {"input": "b.jpg", **BASE, "detections": []},
    {"input": "c.jpg", "status": "error", "error": "no picture"},
    {"input": "v.mp4", "frame": 0, "time_s": 0.0, **BASE, "dropped": {"rate": 3}},
    {"input": "v.mp4", "frame": 1, "time_s": None, **BASE},
    {"input": "d.jpg", **BASE, "classes": [{"label": "cat", "class_id": 1, "score": 0.25}]},
    {"input": "e.jpg", **BASE, "tensors": {"out:0": [[1.0, None], [2, 3]], "n": 1}},
]


def write(out: Path, rows: list[dict[str, Any]]) -> Output:
    output = Output(out, MAKER, restart=False)
    output.write([msgspec.json.encode(row) for row in rows])
    return output


def finish(output: Output) -> list[int]:
    groups = list(output.complete())
    output.close()
    return groups


def test_every_row_lies_in_typed_columns(tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    assert finish(write(out, ROWS)) == [7]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.parquet", "results.parquet.batch"]
    table = pq.read_table(out)
    kinds = {name: table.schema.field(name).type for name in table.schema.names}
    assert kinds["timings_ms"] == pa.map_(pa.string(), pa.float64())
    assert [str(kinds[name]) for name in ("input", "frame", "time_s", "tensors")] == [
        "string",
        "int64",
        "double",
        "string",
    ]
    found = kinds["detections"].value_type
    assert [str(found.field(name).type) for name in ("label", "class_id", "score")] == ["string", "int64", "double"]
    assert found.field("box").type == pa.list_(pa.float64())
    made = table.to_pylist()
    assert [row["input"] for row in made] == [row["input"] for row in ROWS]
    assert made[0]["detections"][0]["box"] == [1.0, 2.0, 3.0, 4.0]
    assert (made[1]["detections"], made[2]["detections"]) == ([], None)
    assert (made[2]["status"], made[2]["error"]) == ("error", "no picture")
    assert (made[3]["frame"], made[3]["time_s"], made[3]["dropped"]) == (0, 0.0, [("rate", 3)])
    assert json.loads(made[6]["tensors"]) == ROWS[6]["tensors"]


def test_rows_that_come_later_are_added_and_those_before_are_as_they_were(tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    finish(write(out, ROWS[:5]))
    before = pq.read_table(out).to_pylist()
    output = Output(out, MAKER, restart=False)
    assert (output.done.rows, output.done.errors, output.done.frames) == (5, 1, {"v.mp4": 2})
    output.write([msgspec.json.encode(row) for row in ROWS[5:]])
    lines = [json.loads(row) for row in (tmp_path / "results.parquet.rows.jsonl").read_bytes().splitlines()]
    assert lines == [{name: value for name, value in row.items() if value is not None} for row in ROWS]
    assert pq.read_table(out).num_rows == 5  # until all is done
    finish(output)
    after = pq.read_table(out).to_pylist()
    assert (after[:5], len(after)) == (before, 7)


def test_killed_between_any_two_steps_it_is_as_if_nothing_had_happened(tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    write(out, ROWS).close()  # before the last form was begun
    output = Output(out, MAKER, restart=False)
    assert output.done.rows == 7
    lines = (tmp_path / "results.parquet.rows.jsonl").read_bytes()
    giving_up = output.complete()
    next(giving_up)  # within it
    giving_up.close()  # type: ignore[attr-defined]
    output.close()
    assert not out.exists()
    assert not list(tmp_path.glob("*.part"))
    finish(Output(out, MAKER, restart=False))
    made = out.read_bytes()
    (tmp_path / "results.parquet.rows.jsonl").write_bytes(lines)  # after it, with the lines still there
    output = Output(out, MAKER, restart=False)
    assert output.done.rows == 7
    finish(output)
    assert pq.read_table(out).num_rows == 7
    assert out.read_bytes() == made


def test_many_rows_are_some_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.tools.batch.parquet.GROUP_ROWS", 3)
    assert finish(write(tmp_path / "results.parquet", ROWS)) == [3, 3, 1]
    assert pq.read_table(tmp_path / "results.parquet").num_rows == 7


def test_a_batch_to_parquet_is_killed_and_goes_on(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 10)
    film(folder / "clip.avi", 90)
    out = tmp_path / "results.parquet"
    lines = tmp_path / "results.parquet.rows.jsonl"
    with running(out, folder) as process:
        until(lambda: whole_rows(lines) >= 20, START_S)
        process.kill()
    there = whole_rows(lines)
    assert 20 <= there < 100
    assert not out.exists()
    assert batch(out, folder)["new"] == 100 - there
    table = pq.read_table(out, columns=["input", "frame", "status", "detections"])
    assert len({(row["input"], row["frame"]) for row in table.to_pylist()}) == table.num_rows == 100
    assert set(table.column("status").to_pylist()) == {"ok"}
    assert sum(map(len, table.column("detections").to_pylist())) > 30
    assert main(arguments(out, folder)) == 0
    assert not lines.exists()
