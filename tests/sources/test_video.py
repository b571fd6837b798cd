import time
from pathlib import Path

import cv2
import pytest
from footage import LEVELS, write_clip

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources import video
from edge_infer.sources.source import EndOfStream
from edge_infer.sources.video import VideoSource


@pytest.mark.parametrize(("suffix", "fourcc"), [(".avi", "MJPG"), (".mp4", "mp4v"), (".mkv", "mp4v")])
def test_a_video_gives_every_frame_in_order_and_then_ends(tmp_path: Path, suffix: str, fourcc: str) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", fourcc)
    with VideoSource(path) as source:
        frames = list(source)
        with pytest.raises(EndOfStream):
            source.read()
    assert [frame.number for frame in frames] == list(range(len(LEVELS)))
    assert [float(frame.data.mean()) for frame in frames] == pytest.approx(LEVELS, abs=4)
    assert frames[0].path == str(path)
    assert source.skipped.total() == 0
    assert not source.live


def test_a_looped_video_starts_again_and_numbers_on(clip: Path) -> None:
    with VideoSource(clip, loop=True) as source:
        frames = [source.read() for _ in range(2 * len(LEVELS) + 1)]
    assert [frame.number for frame in frames] == list(range(2 * len(LEVELS) + 1))
    assert [float(frame.data.mean()) for frame in frames] == pytest.approx([*LEVELS, *LEVELS, LEVELS[0]], abs=4)


def test_a_looped_video_that_was_deleted_is_unavailable(clip: Path) -> None:
    with VideoSource(clip, loop=True) as source:
        clip.unlink()
        with pytest.raises(UnavailableError, match="no video at"):
            list(source)


def test_in_real_time_no_frame_comes_before_its_time(tmp_path: Path) -> None:
    fps = 40.0
    clip, began_ns = write_clip(tmp_path / "clip.avi", fps=fps), time.monotonic_ns()
    with VideoSource(clip, pace="realtime") as source:
        frames = list(source)
    assert len(frames) == len(LEVELS)
    assert (frames[-1].captured_ns - began_ns) / 1e9 >= (len(LEVELS) - 1) / fps


def test_a_strange_time_stamp_cannot_hold_up_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(video, "sleep_until", lambda due: waits.append(due - time.monotonic()))
    with VideoSource(write_clip(tmp_path / "clip.avi", fps=0.1), pace="realtime") as source:
        for _ in range(3):
            source.read()
    assert max(waits) <= video.LONGEST_PAUSE


@pytest.mark.parametrize(("suffix", "fourcc"), [(".avi", "MJPG"), (".mkv", "mp4v")])
def test_a_video_that_was_cut_off_gives_what_is_left_and_ends(tmp_path: Path, suffix: str, fourcc: str) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", fourcc)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with VideoSource(path) as source:
        frames = list(source)
    assert 0 < len(frames) < len(LEVELS)
    assert float(frames[0].data.mean()) == pytest.approx(LEVELS[0], abs=4)


def test_a_missing_video_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no video at .*nothing\.mp4: check the path"):
        VideoSource(tmp_path / "nothing.mp4")


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video_is_a_bad_input(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a video"):
        VideoSource(path)


def test_a_name_with_a_colon_is_a_file_and_not_a_protocol(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip.rename(tmp_path / "udp:clip é.avi")
    monkeypatch.chdir(tmp_path)
    with VideoSource("udp:clip é.avi") as source:
        assert source.read().number == 0


def test_stream_options_in_the_environment_do_not_spoil_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_infer.sources.capture import STREAM_OPTIONS

    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", STREAM_OPTIONS)
    with VideoSource(write_clip(tmp_path / "clip.mp4", "mp4v")) as source:
        assert len(list(source)) == len(LEVELS)


def test_the_clips_of_these_tests_have_the_rate_they_claim(clip: Path) -> None:
    assert cv2.VideoCapture(str(clip)).get(cv2.CAP_PROP_FPS) == 20.0


@pytest.mark.parametrize(("suffix", "fourcc"), [(".avi", "MJPG"), (".mkv", "MJPG")])
def test_a_video_that_breaks_off_gives_what_it_has_and_says_where_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, fourcc: str
) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", fourcc, fps=1.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoSource(path) as source:
        frames = list(source)
    assert 0 < len(frames) < len(LEVELS)
    assert len(caplog.records) == 1
    where = f"of {len(LEVELS)}" if suffix == ".avi" else f", at {len(frames) - 1:.1f} of {len(LEVELS):.1f} s"
    assert f"clip{suffix} ends after frame {len(frames)} {where}".replace(" ,", ",") in caplog.text
    assert "it was cut off, or is damaged" in caplog.text


def test_a_whole_video_ends_without_a_word(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    with VideoSource(clip, loop=True) as source:
        for _ in range(3 * len(LEVELS)):
            source.read()
    assert len(list(VideoSource(clip))) == len(LEVELS)
    assert not caplog.records


def damage(path: Path, number: int) -> Path:
    """Make one frame of an AVI unreadable."""
    content = bytearray(path.read_bytes())
    place = content.index(b"movi")
    for _ in range(number + 1):
        place = content.index(b"00dc", place + 1)
    size = int.from_bytes(content[place + 4 : place + 8], "little")
    content[place + 8 : place + 8 + size] = bytes(size)
    path.write_bytes(content)
    return path


def test_a_damaged_frame_is_left_out_and_those_behind_it_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = damage(write_clip(tmp_path / "clip.avi"), 3)
    with VideoSource(path) as source:
        frames = list(source)
    assert [frame.number for frame in frames] == [n for n in range(len(LEVELS)) if n != 3]
    assert source.skipped == {"corrupt": 1}
    assert "clip.avi is damaged at frame 3" in caplog.text
    levels = [level for n, level in enumerate(LEVELS) if n != 3]
    assert [float(frame.data.mean()) for frame in frames] == pytest.approx(levels, abs=4)


@pytest.mark.parametrize("skipped", range(len(LEVELS)))
def test_numbers_are_skipped_not_frames(tmp_path: Path, skipped: int) -> None:
    path = damage(write_clip(tmp_path / "clip.avi"), 3)
    with VideoSource(path) as source:
        source.skip(skipped)
        assert source.read().number == (4 if skipped == 3 else skipped)
        source.skip(0)
        rest = [frame.number for frame in source]
    assert rest == [n for n in range(len(LEVELS)) if n > skipped and n not in (3, 4 if skipped == 3 else 3)]


def test_who_skips_beyond_the_end_is_told(clip: Path) -> None:
    with VideoSource(clip) as source:
        source.read()
        with pytest.raises(EndOfStream):
            source.skip(len(LEVELS))
