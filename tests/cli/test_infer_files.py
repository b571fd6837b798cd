"""`edge-infer infer --out`: which files it writes; and what it makes of inputs that are none."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import write_clip
from tflite_writer import write_answers

from edge_infer.cli.main import main

BUNDLE = str(Path(__file__).resolve().parents[2] / "models/face-detection")


@pytest.fixture
def segmenter(tmp_path: Path) -> str:
    """Class 2 in the lower half, 0 above."""
    logits = np.zeros((1, 16, 16, 3), np.float32)
    logits[:, 8:, :, 2] = 5
    logits[:, :8, :, 0] = 5
    files = {"labels.txt": "background\ncat\ndog"}
    return str(write_answers(tmp_path / "m.tflite", {"map": logits}, size=(16, 16), dtype="uint8", files=files))


def picture(path: Path, level: int = 90, size: tuple[int, int] = (64, 48)) -> str:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), level, np.uint8))
    return str(path)


def infer(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[dict[str, object]], str]:
    code = main(["infer", "--json", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def level(path: object) -> float:
    image = cv2.imread(str(path))
    assert image is not None
    return float(image.mean())


def test_inputs_of_the_same_name_get_files_of_their_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    given = [picture(tmp_path / "a/x.png", 50), picture(tmp_path / "b/x.bmp", 100), picture(tmp_path / "c/X.png", 150)]
    code, answers, _ = infer(capsys, "-m", BUNDLE, *given, given[0], "--out", tmp_path / "out")
    drawn = [answer["drawn"] for answer in answers]
    assert code == 0
    assert drawn == [str(tmp_path / "out" / name) for name in ("x.jpg", "x-2.jpg", "X-3.jpg", "x.jpg")]
    assert [level(path) for path in drawn] == pytest.approx([50, 100, 150, 50], abs=2)


def test_no_picture_that_is_there_already_is_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, grey in (("x.jpg", 10), ("x.png", 50), ("y.png", 100)):
        picture(Path(name), grey)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, answers, _ = infer(capsys, "-m", BUNDLE, "x.png", "y.png", "--out", ".")
    assert code == 0
    assert [answer["drawn"] for answer in answers] == ["x-drawn.jpg", "y-drawn.jpg"]
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_link_into_the_folder_of_the_inputs_is_seen_through(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = picture(tmp_path / "a/x.jpg")
    before = Path(given).read_bytes()
    (tmp_path / "out").symlink_to(tmp_path / "a")
    infer(capsys, "-m", BUNDLE, given, "--out", tmp_path / "out")
    assert Path(given).read_bytes() == before


def test_a_mask_is_written_as_class_ids_of_the_frames_size(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, segmenter: str
) -> None:
    given = picture(tmp_path / "x.png")
    code, answers, err = infer(capsys, "-m", segmenter, given, "--out", tmp_path / "out")
    assert err == ""
    mask = answers[0]["mask"]
    assert code == 0
    assert isinstance(mask, dict)
    assert mask["png"] == str(tmp_path / "out/x-classes.png")
    assert {one["label"]: one["pixels"] for one in mask["classes"]} == {"background": 64 * 24, "dog": 64 * 24}
    ids = cv2.imread(str(mask["png"]), cv2.IMREAD_UNCHANGED)
    assert ids is not None
    assert (ids.dtype, ids.shape) == (np.uint8, (48, 64))
    assert ids[:24].max() == 0
    assert (ids[24:] == 2).all()
    _, answers, _ = infer(capsys, "-m", segmenter, given)
    assert "png" not in answers[0]["mask"]  # type: ignore[operator]


def test_outputs_that_are_no_numbers_are_no_answer_and_said_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scores = np.float32([[np.nan, 0.5, 0.25, 0.25]])
    model = write_answers(tmp_path / "m.tflite", {"scores": scores}, size=(4, 4), dtype="uint8")
    given = picture(tmp_path / "x.png")
    code, answers, _ = infer(capsys, "-m", model, "--decoder", "classify", given, "--out", tmp_path / "out")
    assert code == 65
    assert answers[0]["status"] == "error"
    assert "NaN" in str(answers[0]["error"])
    assert "classes" not in answers[0]
    assert main(["infer", "-m", str(model), "--decoder", "classify", given]) == 65
    assert "error: the model's output 'scores'" in capsys.readouterr().out


def test_a_video_is_refused_with_what_takes_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi")
    code, answers, err = infer(capsys, "-m", BUNDLE, clip, picture(tmp_path / "x.png"))
    assert code == 65
    assert [answer["status"] for answer in answers] == ["error", "ok"]
    assert err == f"edge-infer: {clip} is a video: `edge-infer batch` answers for each of its frames\n"


def test_a_folder_gives_its_pictures_and_nothing_else(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture(tmp_path / "in/b.png")
    picture(tmp_path / "in/a.png")
    for name in ("notes.txt", "clip.mp4", "IMG.HEIC", ".hidden"):
        (tmp_path / "in" / name).write_text("no picture")
    code, answers, err = infer(capsys, "-m", BUNDLE, tmp_path / "in")
    assert (code, err) == (0, "")
    assert [Path(str(answer["input"])).name for answer in answers] == ["a.png", "b.png"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_one_bad_picture_does_not_keep_the_others_from_their_answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    given = [tmp_path / "a.jpg", tmp_path / "pipe", tmp_path / "none.png", Path(picture(tmp_path / "x.png"))]
    code, answers, err = infer(capsys, "-m", BUNDLE, *given)
    assert code == 65
    assert [answer["status"] for answer in answers] == ["error", "error", "error", "ok"]
    assert err.count("\n") == 3


def test_where_nothing_can_be_written_the_path_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    code = main(["infer", "-m", BUNDLE, picture(tmp_path / "x.png"), "--out", str(tmp_path / "out")])
    assert code == 69
    assert "cannot write the picture" in capsys.readouterr().err
