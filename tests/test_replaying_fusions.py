"""Fusions of a recording are made again of what its pipelines tell again, and say the same; or it is told where not."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from waiting import DEADLINE, until

from edge_infer import config
from edge_infer.cli.main import main
from edge_infer.daemon import Daemon
from edge_infer.keeping import InputRecording
from edge_infer.settings import Settings
from edge_infer.tape.folder import fused, segments
from edge_infer.tape.segment import scan

FACES = Path(__file__).resolve().parents[1] / "models/face-detection"
BOTH = {"both": {"all_of": ["yard/face", "door/face"], "within_s": 0.3}}


def face(**more: Any) -> dict[str, Any]:
    """A camera that sees a face in each frame."""
    picture = {"size": [320, 240], "focus": [180, 78, 270, 178]}
    source = {"kind": "still", "uri": str(FACES / "sample.jpg"), "fps": 20, **picture}
    return {"source": source, "model": {"path": str(FACES)}, "events": {"track": False, "hold_s": 0.1}, **more}


def said(folder: Path, fusions: Mapping[str, Any] = BOTH, **door: Any) -> dict[str, Any]:
    """A configuration."""
    device = {"id": "porch", "state_dir": str(folder / "state")}
    return {"version": 1, "device": device, "pipelines": {"yard": face(), "door": face(**door)}, "fusions": fusions}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a daemon with two cameras and a fusion has recorded, and `out.jsonl` with what it said, beside it."""
    folder = tmp_path_factory.mktemp("recorded")
    configured = {**said(folder), "file": {"path": str(folder / "out.jsonl")}}
    keep = InputRecording(folder / "r")
    daemon = Daemon(config.from_options(Settings, configured, "a test"), keep=keep)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        until(lambda: len(lines(folder / "out.jsonl")) == 1, what="the start of the fusion")
        until(lambda: all(pipeline.results >= 5 for pipeline in daemon.pipelines), what="some frames of each")
        daemon.pipelines.pause("door", paused=True)
        until(lambda: len(lines(folder / "out.jsonl")) == 2, what="its end, as nobody looks at the door")
    finally:
        daemon.stop()
        thread.join(DEADLINE)
    keep.close()
    return folder / "r"


@pytest.fixture
def mine(recorded: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    (tmp_path / "r").mkdir()
    for path in recorded.iterdir():
        (tmp_path / "r" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "r"


def without(path: Path, place: int) -> None:
    """Take a record out of a file."""
    content, found = path.read_bytes(), scan(path).places[place]
    path.write_bytes(content[: found.offset] + content[found.offset + found.size :])


def lines(path: Path, pipeline: str = "both") -> list[dict[str, Any]]:
    """The events of a pipeline or fusion in a file of lines."""
    written = path.read_text() if path.exists() else ""
    found = [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]
    return [line["event"] for line in found if line["pipeline"] == pipeline and "event" in line]


def replayed(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is said of pipelines and fusions, by name."""
    code = main(["replay", str(folder), "--json", *map(str, arguments)])
    found = json.loads(capsys.readouterr().out)
    fusions = {one["fusion"]: one for one in found["fusions"]}
    return code, {one["pipeline"]: one for one in found["pipelines"]} | fusions


def with_config(folder: Path, configuration: dict[str, Any]) -> tuple[str, Path]:
    (folder / "c.yaml").write_text(json.dumps(configuration))
    return "--config", folder / "c.yaml"


def test_a_fusion_says_the_same_again(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = replayed(recorded, capsys, "--out", tmp_path / "now.jsonl")
    assert code == 0
    assert found["both"] == {
        "fusion": "both", "events": 2, "different": 0, "unsure": 0, "first": None, "identical": True,
    }  # fmt: skip
    then, now = lines(recorded.parent / "out.jsonl"), lines(tmp_path / "now.jsonl")
    assert then == now
    assert [(event["phase"], event.get("reason")) for event in then] == [("start", None), ("end", "lost")]
    assert set(now[0]["events"]) == {lines(tmp_path / "now.jsonl", name)[0]["id"] for name in ("yard", "door")}
    assert main(["replay", str(recorded)]) == 0
    assert "both: identical: 2 of 2 events of the fusion\n" in capsys.readouterr().out


def test_another_time_between_them_shows_in_what_it_differs(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = {"both": {**BOTH["both"], "within_s": 0.5}}
    arguments = with_config(tmp_path, said(tmp_path, longer))
    code, found = replayed(recorded, capsys, *arguments)
    assert (code, found["yard"]["identical"], found["door"]["identical"]) == (65, True, True)
    assert (found["both"]["events"], found["both"]["different"]) == (2, 1)
    end = lines(recorded.parent / "out.jsonl")[1]
    assert found["both"]["first"].startswith(f"end of {end['id']}, captured_at: ")
    assert main(["replay", str(recorded), *map(str, arguments)]) == 65
    assert "both: identical: 1 of 2 events of the fusion\n  first difference: end of" in capsys.readouterr().out


def test_a_pipeline_that_tells_nothing_now_makes_no_fusion(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blind = said(tmp_path, decode={"min_score": 0.999})
    code, found = replayed(recorded, capsys, *with_config(tmp_path, blind))
    assert (code, found["both"]["different"]) == (65, 2)
    assert found["both"]["first"].endswith(", told: an event then, nothing now")


def test_of_one_pipeline_the_others_are_as_they_were_recorded(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = replayed(recorded, capsys, "--pipeline", "door")
    assert (code, list(found), found["both"]["events"], found["both"]["identical"]) == (0, ["door", "both"], 2, True)
    other = {**BOTH, "alone": {"any_of": ["yard/face"]}}
    _, found = replayed(recorded, capsys, "--pipeline", "door", *with_config(tmp_path, said(tmp_path, other)))
    assert "alone" not in found


def test_where_frames_are_missing_fusions_are_made_of_what_was_told_then(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = segments(mine)["door"]
    without(path, 1)  # the first frame, with which the face began
    code, found = replayed(mine, capsys)
    assert (code, found["door"]["missing"], found["both"]["events"], found["both"]["identical"]) == (0, 1, 2, True)


def test_what_fusions_were_told_and_is_not_recorded_leaves_them_unsure(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = fused(mine)
    without(path, 2)  # the start of the second face, with which the fusion was told
    code, found = replayed(mine, capsys)
    assert code == 0
    assert (found["both"]["different"], found["both"]["unsure"] > 0) == (0, True)
    assert main(["replay", str(mine)]) == 0
    assert "which proves nothing: not all that fusions were told is recorded" in capsys.readouterr().out


def test_a_damaged_file_of_fusions_is_told(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = fused(mine)
    content = bytearray(path.read_bytes())
    content[scan(path).places[2].offset + 60] ^= 1
    path.write_bytes(content)
    assert main(["replay", str(mine)]) == 65
    assert f"edge-infer: {path.name} is damaged at byte " in capsys.readouterr().err
