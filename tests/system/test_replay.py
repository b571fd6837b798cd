"""`edge-infer run --record-inputs` and `replay`: the real command, killed, and what it left behind."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from command import REPOSITORY, Daemon, run
from footage import write_clip
from tflite_writer import write_answers
from waiting import until

from edge_infer.cli.main import main
from edge_infer.tape.reader import RecordedFusions

MODEL = REPOSITORY / "models/face-detection"
CONFIG = f"""\
version: 1
device: {{id: test}}
pipelines:
  door:
    source: {{kind: still, uri: {MODEL}/sample.jpg, fps: 30, focus: [160, 60, 290, 180]}}
    model: {{path: {MODEL}}}
    events: {{}}
  yard:
    source: {{kind: still, uri: {MODEL}/sample.jpg, fps: 30, focus: [160, 60, 290, 180]}}
    model: {{path: {MODEL}}}
    events: {{}}
fusions:
  both: {{all_of: [door/face, yard/face]}}
"""


def recorded_bytes(folder: Path, pipeline: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(f"{pipeline}.*.tape"))


def has_fused(folder: Path) -> bool:
    """True where a fusion has said something that is on the disk."""
    recorded = RecordedFusions(folder)
    return any(told.said for places in recorded.lives for _, told in recorded.entries(places))


def test_what_was_recorded_up_to_a_kill_is_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    folder = tmp_path / "inputs"
    with Daemon(tmp_path, "--config", "c.yaml", "--record-inputs", "inputs") as daemon:
        until(lambda: all(recorded_bytes(folder, name) > 8_000_000 for name in ("door", "yard")), what="some pictures")
        until(lambda: has_fused(folder), what="an event of the fusion")
        daemon.signal(signal.SIGKILL)
        daemon.ends(10)
    done = run("replay", folder, "--json", "--out", tmp_path / "now.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    lines = [json.loads(line) for line in (tmp_path / "now.jsonl").read_text().splitlines()]
    for said in found["pipelines"]:
        assert said["identical"]
        assert said["results"] >= 5
        assert said["events"] >= 1
        assert (said["different"], said["events_different"], said["damaged"]) == (0, 0, [])
        mine = [line for line in lines if line["pipeline"] == said["pipeline"]]
        assert sum("event" in line for line in mine) == said["events"]
        assert sum("detections" in line for line in mine) == said["results"]
    (both,) = found["fusions"]
    assert (both["identical"], both["unsure"]) == (True, 0)
    assert both["events"] == sum(line["pipeline"] == "both" for line in lines) >= 1


def test_a_recording_runs_as_a_source_within_its_bytes(tmp_path: Path) -> None:
    clip, folder = write_clip(tmp_path / "clip.avi"), tmp_path / "inputs"
    scores = {"scores": np.array([[0.25, 0.75]], np.float32)}
    model = write_answers(tmp_path / "m.tflite", scores, size=(8, 8), dtype="uint8")
    said = ("--model", model, "--decoder", "classify")
    recorded = run("run", "--source", clip, *said, "--record-inputs", folder, "--record-inputs-bytes", 10_000_000)
    assert recorded.returncode == 0, recorded.stderr
    assert "inputs recorded pipeline=main frames=24 dropped=0" in recorded.stderr
    again = run("run", "--source", folder, *said)
    assert again.returncode == 0, again.stderr
    first, second = ([json.loads(line) for line in done.stdout.splitlines()] for done in (recorded, again))
    for name in ("frame", "media_s", "classes"):
        assert [line[name] for line in second] == [line[name] for line in first]


def test_bytes_without_a_folder_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--source", str(MODEL / "sample.jpg"), "--model", str(MODEL), "--record-inputs-bytes", "5"]
    assert main(["run", *arguments]) == 64
    assert "--record-inputs-bytes needs --record-inputs DIR" in capsys.readouterr().err
