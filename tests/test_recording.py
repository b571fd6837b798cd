import errno
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import write_clip
from test_matroska import shown
from waiting import until

from edge_infer import recording
from edge_infer.errors import UnavailableError, UsageError
from edge_infer.recording import Film, Recording
from edge_infer.sources.video import VideoSource
from edge_infer.types import Frame, ModelId, Result, Span


def live(number: int, at_ms: int, level: int = 90, size: tuple[int, int] = (320, 240)) -> Frame:
    return Frame("camera", number, np.full((size[1], size[0], 3), level, np.uint8), 1e9, at_ms * 1_000_000)


def nothing(frame: Frame) -> Result:
    return Result.of(frame, task="detect", model=ModelId("m", "", ""), device="cpu", prediction=None)


def take_all(film: Recording, *frames: Frame, pipeline: str = "door") -> None:
    """Give each frame when the one before it was taken, as a pipeline that is slower would."""
    for frame in frames:
        film(pipeline, frame, nothing(frame))
        until(lambda: len(film._tapes[pipeline]._mailbox) == 0)


def test_a_live_source_is_shown_at_the_times_of_its_frames(tmp_path: Path) -> None:
    times = [7000, 7040, 7500, 9000]
    film = Recording(tmp_path / "a.mkv", ["door"])
    take_all(film, *(live(n, at, 40 * n) for n, at in enumerate(times)))
    film.close()
    found = shown(tmp_path / "a.mkv")
    assert [at for at, _ in found] == pytest.approx([0, 40, 500, 2000], abs=1)
    assert [grey for _, grey in found] == pytest.approx([0, 40, 80, 120], abs=3)


def test_a_video_keeps_every_frame_and_its_own_times_however_fast_it_was_read(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", fps=4.0)
    film = Recording(tmp_path / "a.mkv", ["door"])
    with VideoSource(clip) as source:
        frames = list(source)
    for frame in frames:
        film("door", frame, nothing(frame))
    film.close()
    assert [at for at, _ in shown(tmp_path / "a.mkv")] == pytest.approx([250 * n for n in range(len(frames))], abs=1)


def test_samples_are_recorded_as_plots_at_their_own_times(tmp_path: Path) -> None:
    film = Recording(tmp_path / "a.mkv", ["wrist"])
    for number in range(3):
        span = Span(number * 50, 100, 10.0, ("x", "y"), ("g", "g"))
        samples = np.full((100, 2), number, np.float32)
        frame = Frame("rows", number, samples, 1e9, 0, "rows.csv", span, media_s=9.9 + 5 * number)
        take_all(film, frame, pipeline="wrist")
    film.close()
    assert [at for at, _ in shown(tmp_path / "a.mkv")] == pytest.approx([0, 5000, 10000], abs=1)


def test_pictures_of_a_folder_have_a_second_each_and_become_as_large_as_the_first(tmp_path: Path) -> None:
    film = Recording(tmp_path / "a.mkv", ["door"])
    for number, size in enumerate([(320, 240), (640, 480), (30, 20)]):
        frame = Frame("p", number, np.zeros((size[1], size[0], 3), np.uint8), 0.0, 0, f"{number}.jpg")
        film("door", frame, nothing(frame))
    film.close()
    assert [at for at, _ in shown(tmp_path / "a.mkv")] == pytest.approx([0, 1000, 2000])


def test_several_pipelines_have_a_file_each(tmp_path: Path) -> None:
    film = Recording(tmp_path / "a.mkv", ["door", "yard"])
    take_all(film, live(0, 0))
    take_all(film, live(0, 0), pipeline="yard")
    film.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-door.mkv", "a-yard.mkv"]


def test_what_was_recorded_before_is_put_aside(tmp_path: Path) -> None:
    for level in (50, 150):
        film = Recording(tmp_path / "a.mkv", ["door"])
        take_all(film, live(0, 0, level))
        film.close()
    assert shown(tmp_path / "a.mkv")[0][1] == pytest.approx(150, abs=3)
    assert shown(tmp_path / "a.1.mkv")[0][1] == pytest.approx(50, abs=3)


def test_a_long_recording_goes_on_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 10_000)
    film = Recording(tmp_path / "a.mkv", ["door"])
    take_all(film, *(live(n, 40 * n, n) for n in range(40)))
    film.close()
    now, before = (shown(tmp_path / name) for name in ("a.mkv", "a.1.mkv"))
    assert now[0][0] == before[0][0] == 0
    assert now[-1][1] == pytest.approx(39, abs=2)
    assert now[0][1] == pytest.approx(before[-1][1] + 1, abs=2)
    assert all((tmp_path / name).stat().st_size < 20_000 for name in ("a.mkv", "a.1.mkv"))


def test_a_frame_that_comes_too_late_is_dropped_and_a_file_read_again_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = Recording(tmp_path / "a.mkv", ["door"])
    with caplog.at_level(logging.INFO):
        take_all(film, live(0, 60_000), live(2, 60_080), live(1, 60_040), live(3, 60_120), live(0, 0, 200))
        film.close()
    assert (caplog.records[-1].__dict__["pictures"], caplog.records[-1].__dict__["dropped"]) == (4, 1)
    assert len(shown(tmp_path / "a.1.mkv")) == 3
    assert shown(tmp_path / "a.mkv")[0][1] == pytest.approx(200, abs=3)


def test_a_slow_disk_never_holds_up_a_live_source_and_what_is_lost_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(Film, "_keep_spare", lambda _self: go_on.wait(20))
    film = Recording(tmp_path / "a.mkv", ["door"])
    for number in range(100):  # the disk takes none of them
        frame = live(number, 40 * number)
        film("door", frame, nothing(frame))
    go_on.set()
    with caplog.at_level(logging.INFO):
        film.close()
    said = caplog.records[-1].__dict__
    assert said["pictures"] + said["dropped"] == 100
    assert 1 <= said["pictures"] <= 1 + recording.WAITING
    assert len(shown(tmp_path / "a.mkv")) == said["pictures"]


def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """No room on the disk until it is called."""
    real, is_full = recording.os.write, [True]

    def write(fd: int, data: bytes) -> int:
        if is_full[0] and len(data) > 1000:
            real(fd, data[:500])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(recording.os, "write", write)
    return lambda: is_full.__setitem__(0, False)


def test_a_full_disk_costs_frames_and_the_recording_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    film = Recording(tmp_path / "a.mkv", ["door"])
    take_all(film, live(0, 0))
    until(lambda: film._tapes["door"].pictures == 1)
    make_room = full(monkeypatch)
    lost = live(1, 40)
    film("door", lost, nothing(lost))
    until(lambda: "No space left on device" in caplog.text)
    make_room()
    deadline, number = time.monotonic() + 20, 2
    while film._tapes["door"].pictures < 2 and time.monotonic() < deadline:
        take_all(film, live(number, 40 * number))
        number += 1
    film.close()
    found = [at for at, _ in shown(tmp_path / "a.mkv")]
    assert found[0] == 0
    assert len(found) >= 2
    assert 40 not in found
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]  # nothing was put aside for it


def test_a_recording_leaves_room_for_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recording, "SPARE_BYTES", 1 << 60)
    film = Recording(tmp_path / "a.mkv", ["door"])
    frame = live(0, 0)
    film("door", frame, nothing(frame))
    until(lambda: "MB are free" in caplog.text)
    film.close()


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a"])
def test_another_container_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"which survives a kill: name it a\.mkv, not"):
        Recording(tmp_path / name, ["door"])


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot write into .*nowhere: make the folder"):
        Recording(tmp_path / "nowhere" / "a.mkv", ["door"])


def test_opencv_reads_what_was_recorded_as_a_source(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film = Recording(tmp_path / "a.mkv", ["door"])
    take_all(film, *(live(n, at) for n, at in enumerate([0, 40, 3000, 3050])))
    film.close()
    with VideoSource(tmp_path / "a.mkv") as source:
        assert len(list(source)) == 4
    assert cv2.VideoCapture(str(tmp_path / "a.mkv")).get(cv2.CAP_PROP_FRAME_WIDTH) == 320
    assert not caplog.records
