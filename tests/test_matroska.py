import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer import matroska


def jpeg(level: int) -> bytes:
    return cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1].tobytes()


def film(times: list[int]) -> bytes:
    return matroska.header((64, 48)) + b"".join(matroska.picture(jpeg(10 + n), at) for n, at in enumerate(times))


def shown(path: Path) -> list[tuple[float, float]]:
    """(time in ms, grey) of each picture."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found = []
    while capture.grab():
        decoded, data = capture.retrieve()
        assert decoded
        found.append((capture.get(cv2.CAP_PROP_POS_MSEC), float(data.mean())))
    capture.release()
    return found


TIMES = [0, 40, 100, 133, 5_000, 90_000, 36_000_000]


def test_each_picture_is_shown_at_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(film(TIMES))
    found = shown(path)
    assert [time for time, _ in found] == pytest.approx(TIMES, abs=0.5)
    assert [grey for _, grey in found] == pytest.approx([10 + n for n in range(len(TIMES))], abs=2)


@given(lost=st.integers(0, 3000))
def test_a_file_that_was_cut_off_plays_to_its_last_whole_picture(
    tmp_path_factory: pytest.TempPathFactory, lost: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.mkv"
    whole = film(TIMES)
    size = len(matroska.picture(jpeg(10), 0))
    path.write_bytes(whole[: len(whole) - lost])
    assert len(shown(path)) >= len(TIMES) - -(-lost // (size - 20))


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe: apt install ffmpeg")
def test_another_reader_finds_duration_date_and_size(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    content = bytearray(matroska.header((64, 48), 1_700_000_000.0) + matroska.picture(jpeg(10), 0))
    at, duration = matroska.duration(2500.0)
    content[at : at + len(duration)] = duration
    path.write_bytes(content)
    asked = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    found = json.loads(said.stdout)
    assert (found["format"]["duration"], found["format"]["format_name"]) == ("2.500000", "matroska,webm")
    assert found["format"]["tags"]["creation_time"].startswith("2023-11-14T22:13:20")
    stream = found["streams"][0]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("mjpeg", 64, 48)
