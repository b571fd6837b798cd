"""`edge-infer batch`: what is in the output, and what it says."""

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from batches import BUNDLE, REPOSITORY, arguments, batch, film, pictures, rows, start, told
from other_user import MODES_COUNT

from edge_infer.cli.main import main, make_parser
from edge_infer.errors import ConfigError, ModelError, Problem, StalledError
from edge_infer.runtime.delegate import AbsentError
from edge_infer.tools.batch.batch import Summary
from edge_infer.tools.batch.crew import Refusal


def again(capsys: pytest.CaptureFixture[str], out: Path, *inputs: str | Path, code: int = 0) -> int:
    """The same command where nothing is left to do; how many rows it has added."""
    assert main(arguments(out, *inputs)) == code
    added: int = json.loads(capsys.readouterr().out)["new"]
    return added


def refused(capsys: pytest.CaptureFixture[str], out: Path, *inputs: str | Path, options: tuple[str, ...] = ()) -> str:
    """One line; the exit code stands before it."""
    code = main(arguments(out, *inputs, options=options))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return f"{code} {said.err}"


def test_each_picture_and_frame_has_one_row_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "in", 12)
    clip = film(folder / "clip.avi", 30)
    out = tmp_path / "results.jsonl"
    summary = batch(out, folder, folder / "p?.jpg", clip)
    made = rows(out)
    stills = [row for row in made if "frame" not in row]
    assert [Path(row["input"]).name for row in stills] == [f"p{number}.jpg" for number in range(12)]
    frames = [row for row in made if "frame" in row]
    assert [(row["input"], row["frame"]) for row in frames] == [(str(clip), number) for number in range(30)]
    assert [row["time_s"] for row in frames] == pytest.approx([number / 25 for number in range(30)], abs=0.001)
    assert {name: summary[name] for name in ("rows", "errors", "new", "missing", "complete", "crashes")} == {
        "rows": 42,
        "errors": 0,
        "new": 42,
        "missing": [],
        "complete": True,
        "crashes": 0,
    }
    assert main(["infer", "--json", "-m", str(BUNDLE), str(folder)]) == 0
    assert [told(json.loads(line)) for line in capsys.readouterr().out.splitlines()] == [told(row) for row in stills]
    assert sum(len(row["detections"]) for row in stills) >= 3
    before = out.read_bytes()
    assert again(capsys, out, folder, clip) == 0
    assert out.read_bytes() == before
    added = pictures(tmp_path / "more", 2)
    assert batch(out, folder, clip, added)["new"] == 2
    assert out.read_bytes().startswith(before)
    assert [Path(row["input"]).parent.name for row in rows(out)[42:]] == ["more", "more"]


def test_a_bad_file_is_a_row_and_65_and_the_others_are_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "in", 4)
    odd = folder / os.fsdecode(b"caf\xe9 \n.jpg")  # neither UTF-8 nor one line
    (folder / "p0.jpg").rename(odd)
    (folder / "p1.jpg").write_bytes(b"no picture")
    (folder / "empty.mp4").write_bytes(b"")
    whole = film(tmp_path / "whole.avi", 40).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    out = tmp_path / "results.jsonl"
    summary = batch(out, folder, cut, code=65)
    made = rows(out)
    bad = {Path(row["input"]).name: row["error"] for row in made if row["status"] == "error"}
    assert "p1.jpg is not a picture" in bad.pop("p1.jpg")
    assert "empty.mp4 cannot be read as a video" in bad.pop("empty.mp4")
    frames = [row["frame"] for row in made if "frame" in row]
    assert frames == list(range(len(frames)))
    assert 10 < len(frames) < 40
    assert f"breaks off: {len(frames)} of its 40 frames can be read" in bad.pop("cut.avi")
    assert bad == {}
    assert (summary["errors"], summary["complete"]) == (3, True)
    assert summary["first_error"]
    answered = [Path(row["input"]).name for row in made if row["status"] == "ok" and "frame" not in row]
    assert answered == ["caf\\xe9 \n.jpg", "p2.jpg", "p3.jpg"]
    assert again(capsys, out, folder, cut, code=65) == 0


def test_a_file_that_may_not_be_read_is_a_row(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 2)
    (folder / "p0.jpg").chmod(0)
    out = tmp_path / "results.jsonl"
    batch(out, folder, code=65, prefix=MODES_COUNT)
    assert [row["status"] for row in rows(out)] == ["error", "ok"]


def test_an_address_that_stands_for_nothing_is_69_and_the_others_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pictures(tmp_path / "in", 2)
    (tmp_path / "empty").mkdir()
    out = tmp_path / "results.jsonl"
    nothing = [str(tmp_path / "empty"), str(tmp_path / "*.jpg")]
    said = refused(capsys, out, *nothing)
    assert said.startswith(f"69 edge-infer: there is no picture and no video at {', '.join(nothing)}")
    assert not out.exists()
    summary = batch(out, *nothing, folder, code=69)
    assert (summary["rows"], summary["missing"], summary["complete"]) == (2, nothing, True)
    assert f"there is no picture and no video at {nothing[1]}" in summary["said"]


def test_what_another_model_or_option_made_is_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "in", 2)
    out = tmp_path / "results.jsonl"
    batch(out, folder)
    before = out.read_bytes()
    said = refused(capsys, out, folder, options=("--min-score", "0.7"))
    assert said.startswith(f"64 edge-infer: {out} was made in another way (min_score was None, is 0.7)")
    assert "--restart" in said
    assert out.read_bytes() == before
    record = out.with_name("results.jsonl.batch")
    text = record.read_text()
    record.write_text(text.replace(json.loads(text.splitlines()[0])["files"]["model.tflite"], "0" * 64))
    assert "model.tflite is another" in refused(capsys, out, folder)
    record.write_text(text)
    labels = tmp_path / "labels.txt"
    labels.write_text("face\n")
    assert "labels was None, is " in refused(capsys, out, folder, options=("--labels", str(labels)))
    record.unlink()
    assert "no results.jsonl.batch" in refused(capsys, out, folder).replace(f"{tmp_path}/", "")
    assert out.read_bytes() == before
    assert batch(out, folder, options=("--restart", "--min-score", "0.7"))["new"] == 2
    assert refused(capsys, out, folder).startswith("64 ")
    assert main(arguments(out, folder, options=("--threads", "2", "--min-score", "0.7"))) == 0  # that changes no row


def test_outputs_that_cannot_be_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "in", 1)
    listed = tmp_path / "list.jsonl"
    listed.write_text("{}\n")
    assert "64 edge-infer: " in (said := refused(capsys, listed, folder, listed))
    assert "is one of the inputs" in said
    assert "no" in refused(capsys, listed, folder)
    assert listed.read_text() == "{}\n"
    assert refused(capsys, tmp_path / "results.csv", folder).startswith("64 ")
    assert refused(capsys, tmp_path / "no/such/results.jsonl", folder).startswith("69 edge-infer: cannot write ")
    assert refused(capsys, tmp_path / "no/such/results.parquet", folder).startswith("69 edge-infer: ")


def test_a_model_that_cannot_be_used_ends_it_before_it_begins(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 1)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes((BUNDLE / "model.tflite").read_bytes()[:9000])
    out = tmp_path / "results.jsonl"
    process = start("batch", str(folder), "--model", str(broken), "--out", str(out))
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, said) == (65, "")
    assert complaints.startswith("edge-infer: ")
    assert complaints.count("\n") == 1
    assert out.read_bytes() == b""


def test_an_error_comes_out_of_a_worker_as_what_it_was() -> None:
    for error in (
        ModelError("m"),
        AbsentError("a"),
        StalledError("s"),
        ConfigError("c.yaml", [Problem(1, 2, "k", "bad")]),
    ):
        again = Refusal.of(error).error
        assert str(again) == str(error)
        assert isinstance(error, (type(again), ConfigError))
    assert Refusal.of(AbsentError("a")).error.exit_code == 69


def test_every_command_in_the_document_can_be_given() -> None:
    text = (REPOSITORY / "docs/batch.md").read_text()
    lines = re.findall(r"^(?:    )?edge-infer (batch .*?)(?:  +#.*)?$", text, re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        make_parser("batch").parse_args(shlex.split(line))


def test_the_document_names_every_option_and_key_of_the_summary() -> None:
    text = (REPOSITORY / "docs/batch.md").read_text()
    for name in (*Summary.__dataclass_fields__, "--workers", "--engine", "--restart", "--out", "frame", "time_s"):
        assert f"`{name}" in text, name
