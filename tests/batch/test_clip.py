"""Frames of a video, asked for by their numbers."""

from pathlib import Path

import pytest
from footage import LEVELS, write_clip
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.source import EndOfStream
from edge_infer.sources.video import VideoSource
from edge_infer.tools.batch.clip import Clip
from edge_infer.types import Frame


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.avi")


@given(wanted=st.lists(st.integers(0, len(LEVELS) + 5), max_size=12))
def test_whatever_order_they_are_asked_for_in_they_are_those_of_the_file(video: Path, wanted: list[int]) -> None:
    clip = Clip(str(video))
    assert clip.frames == len(LEVELS)
    for number in wanted:
        if number < len(LEVELS):
            frame, time_s = clip.frame(number)
            assert frame.number == number
            assert abs(int(frame.data.mean()) - LEVELS[number]) <= 3
            assert time_s == pytest.approx(number / 20)
        else:
            with pytest.raises(EndOfStream):
                clip.frame(number)
    clip.close()


def test_a_frame_that_cannot_be_decoded_is_an_error_and_those_beside_it_are_not(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = VideoSource.read

    def damaged(source: VideoSource) -> Frame:
        """Leaves a gap in the numbers, as it does where OpenCV cannot convert a frame; no codec here fails to order."""
        while (frame := read(source)).number in (4, 5, 9):
            pass
        return frame

    monkeypatch.setattr(VideoSource, "read", damaged)
    clip = Clip(str(video))
    for number in (*range(12), 4, 5, 6):
        if number in (4, 5, 9):
            with pytest.raises(InputError, match=rf"frame {number} of .* cannot be decoded"):
                clip.frame(number)
        else:
            assert clip.frame(number)[0].number == number
    clip.close()


def test_a_video_that_breaks_off_is_told_from_one_that_ends(tmp_path: Path, video: Path) -> None:
    clip = Clip(str(video))
    assert clip.breaks_off(24) is None
    assert clip.breaks_off(22) is None
    assert "breaks off: 11 of its 24 frames" in (clip.breaks_off(11) or "")
    clip.close()
    guessed = tmp_path / "clip.mkv"
    guessed.write_bytes(video.read_bytes())
    clip = Clip(str(guessed))
    assert clip.breaks_off(11) is None
    clip.close()


def test_what_is_no_video_is_said_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        Clip(str(tmp_path / "none.mp4"))
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(InputError):
        Clip(str(tmp_path / "bad.mp4"))
