"""What a pipeline was shown is kept, and never at the cost of the pipeline."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from full_disk import small_disk
from scripted import Harness, ScriptedModel, ScriptedSource
from waiting import until

from edge_infer import config, keeping
from edge_infer.errors import UnavailableError
from edge_infer.keeping import InputRecording
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.provenance import shown
from edge_infer.reel import Reel
from edge_infer.sources.source_kind import PluggedSource
from edge_infer.tape import folder as tape_folder
from edge_infer.tape.entries import Ended, Kept
from edge_infer.tape.folder import segments
from edge_infer.tape.reader import Recorded
from edge_infer.types import Event, Frame, ModelId, Result, Span

MODEL = {"path": "models/face-detection"}


def settings(**said: Any) -> PipelineSettings:
    return config.from_options(PipelineSettings, {"source": {"kind": "picamera"}, "model": MODEL, **said}, "a test")


def picture(number: int, *, live: bool = True, size: int = 32, noise: bool = False) -> Frame:
    data = np.full((size, size, 3), number % 256, np.uint8)
    if noise:
        data = np.random.default_rng(number).integers(0, 256, data.shape, np.uint8)
    return Frame("cam", number, data, 1e9 + number, 1000 * number, None if live else "/home/me/clip.avi", None, None)


def answer(frame: Frame, sha256: str = "00") -> Result:
    return Result.of(frame, task="detect", model=ModelId("m", "1", sha256), device="cpu", prediction=None)


def take(recording: InputRecording, life: keeping.Life, frames: Sequence[Frame], sha256: str = "00") -> None:
    """Hand over one after the other, as a pipeline that is slower would."""
    for frame in frames:
        life(frame, answer(frame, sha256))
        until(lambda: all(len(reel._mailbox) == 0 for reel in recording._reels.values()))


def wait_written(recording: InputRecording, pipeline: str, frames: int) -> None:
    until(lambda: recording._reels[pipeline].kept == frames, what=f"{frames} frames on the disk")


def entries(folder: Path, pipeline: str = "door") -> list[Kept | Ended]:
    recorded = Recorded(folder, pipeline)
    assert (recorded.damaged, recorded.cut_off) == ([], [])
    return [entry for life in recorded.lives for _, entry in recorded.entries(life)]


def numbers(folder: Path, pipeline: str = "door") -> list[int]:
    return [entry.number for entry in entries(folder, pipeline) if isinstance(entry, Kept)]


class Counting:
    """An analysis that says something about each second frame, and at the end."""

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, Sequence[Event]]:
        return result, [self._event(str(frame.number), "start")] if frame.number % 2 else []

    def end(self, reason: str) -> Sequence[Event]:
        return [self._event("last", "end", reason)]

    def _event(self, name: str, phase: Any, reason: str = "") -> Event:
        return Event(name, phase, "object", "cat", 1.0, 2, 1.0, reason=reason)


def test_frames_results_events_and_the_end_are_kept(tmp_path: Path) -> None:
    recording = InputRecording(tmp_path / "new" / "folder")
    life = recording.of("door", settings, Counting())
    take(recording, life, [picture(0), picture(1)])
    assert [event.id for event in life.end("stopped")] == ["last"]
    recording.close()
    first, second, ended = entries(tmp_path / "new" / "folder")
    assert isinstance(first, Kept)
    assert isinstance(second, Kept)
    assert isinstance(ended, Ended)
    assert np.array_equal(first.frame().data, picture(0).data)
    assert (second.number, second.captured_ns, second.events[0]["id"]) == (1, 1000, "1")
    assert second.result["model"]["sha256"] == "00"
    assert (ended.reason, ended.events[0]["id"]) == ("stopped", "last")
    assert [first.place, second.place, ended.place] == [0, 1, 2]


def test_a_frame_is_kept_with_the_name_of_its_file_alone(tmp_path: Path) -> None:
    recording = InputRecording(tmp_path)
    made = settings(source={"kind": "video", "uri": "/home/me/clip.avi"})
    take(recording, recording.of("door", lambda: made, None), [picture(0, live=False)])
    recording.close()
    assert b"/home/me" not in next(tmp_path.iterdir()).read_bytes()
    (kept,) = entries(tmp_path)
    assert isinstance(kept, Kept)
    assert kept.path == "clip.avi"


def test_no_password_is_kept(tmp_path: Path) -> None:
    url = "rtsp://me:hunter2@porch/stream?token=hunter2"
    made = settings(source={"kind": "stream", "uri": url, "fps": 5})
    recording = InputRecording(tmp_path)
    take(recording, recording.of("door", lambda: made, None), [picture(0)])
    recording.close()
    assert b"hunter2" not in next(tmp_path.iterdir()).read_bytes()
    beginning = next(iter(Recorded(tmp_path, "door").beginnings.values()))
    assert beginning.settings["source"] == {"kind": "stream", "uri": "rtsp://me:***@porch/stream?token=***", "fps": 5.0}
    assert beginning.settings["model"]["path"] == str(Path("models/face-detection").absolute())
    assert beginning.software["numpy"] == np.__version__
    assert "runtime" in beginning.software


class CloudSettings(PluggedSource, frozen=True, kw_only=True, tag="cloud"):
    """A source that somebody else brings."""

    uri: str
    api_key: str
    login: dict[str, str]
    mirrors: tuple[str, ...]


def test_texts_of_a_source_with_secret_names_are_hidden() -> None:
    source = CloudSettings(
        uri="https://cam", api_key="x", login={"user": "me", "passphrase": "x"}, mirrors=("http://me:x@cam",)
    )
    assert shown(msgspec.structs.replace(settings(), source=source))["source"] == {
        "kind": "cloud",
        "uri": "https://cam",
        "api_key": "***",
        "login": {"user": "me", "passphrase": "***"},
        "mirrors": ["http://me:***@cam"],
    }


def test_a_new_file_begins_with_other_settings_another_model_and_each_start(tmp_path: Path) -> None:
    used = [settings()]
    recording = InputRecording(tmp_path)
    life = recording.of("door", lambda: used[0], None)
    take(recording, life, [picture(0), picture(1)])
    used[0] = settings(decode={"min_score": 0.25})
    take(recording, life, [picture(2)])
    take(recording, life, [picture(3)], "11")
    take(recording, recording.of("door", lambda: used[0], None), [picture(0)], "11")
    recording.close()
    recorded = Recorded(tmp_path, "door")
    assert [len(life) for life in recorded.lives] == [4, 1]
    assert [one.settings["decode"].get("min_score") for one in recorded.beginnings.values()] == [None, *[0.25] * 3]
    assert [one.model["sha256"] for one in recorded.beginnings.values()] == ["00", "00", "11", "11"]


def test_several_pipelines_have_files_of_their_own(tmp_path: Path) -> None:
    recording = InputRecording(tmp_path)
    lives = [recording.of(name, settings, None) for name in ("door", "yard.2")]
    for number in range(3):
        for life in lives:
            take(recording, life, [picture(number)])
    recording.close()
    assert {name: len(paths) for name, paths in segments(tmp_path).items()} == {"door": 1, "yard.2": 1}
    assert numbers(tmp_path, "yard.2") == numbers(tmp_path) == [0, 1, 2]


def test_another_run_adds_to_what_is_there(tmp_path: Path) -> None:
    for _ in range(2):
        recording = InputRecording(tmp_path)
        take(recording, recording.of("door", settings, None), [picture(5), picture(6)])
        recording.close()
    assert numbers(tmp_path) == [5, 6, 5, 6]


def test_the_oldest_files_of_all_pipelines_and_runs_go_first(tmp_path: Path) -> None:
    cap = 200_000
    for first in (0, 50):
        recording = InputRecording(tmp_path, cap)
        lives = {name: recording.of(name, settings, None) for name in ("door", "yard")}
        for number in range(first, first + 50):
            for name, life in lives.items():
                take(recording, life, [picture(number, noise=True)])
                wait_written(recording, name, number - first + 1)
                assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= cap
        recording.close()
    for name in ("door", "yard"):
        found = numbers(tmp_path, name)
        assert found == list(range(found[0], 100))
        assert 50 < found[0] < 85


def test_a_frame_that_is_larger_than_all_may_be_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = InputRecording(tmp_path, 10_000)
    with caplog.at_level(logging.INFO):
        take(recording, recording.of("door", settings, None), [picture(0, size=200, noise=True)])
        until(lambda: "give more --record-inputs-bytes" in caplog.text)
        recording.close()
    assert caplog.records[-1].__dict__["dropped"] == 1


def test_a_live_pipeline_never_waits_and_what_is_lost_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    real = Reel._append
    monkeypatch.setattr(Reel, "_append", lambda *given: (go_on.wait(20), real(*given)))
    recording = InputRecording(tmp_path)
    life = recording.of("door", settings, None)
    for number in range(1000):  # the disk takes none of them
        life(picture(number, size=1000), answer(picture(number)))
    go_on.set()
    with caplog.at_level(logging.INFO):
        recording.close()
    said = caplog.records[-1].__dict__
    assert said["frames"] + said["dropped"] == 1000
    assert 1 <= said["frames"] <= 1 + keeping.WAITING
    found = entries(tmp_path)
    assert [entry.place for entry in found] == numbers(tmp_path)
    assert found[-1].place == 999
    assert "the inputs of door come faster than they can be recorded" in caplog.text


def test_frames_of_a_file_wait_for_their_place(tmp_path: Path) -> None:
    recording = InputRecording(tmp_path)
    life = recording.of("door", settings, None)
    for number in range(200):
        life(picture(number, live=False, size=200, noise=True), answer(picture(number)))
    recording.close()
    assert numbers(tmp_path) == list(range(200))


def test_small_windows_may_wait_in_greater_number_than_pictures(tmp_path: Path) -> None:
    recording = InputRecording(tmp_path)
    life = recording.of("shed", settings, None)
    window = Frame("s", 0, np.zeros((100, 6), np.float32), 0.0, 0, span=Span(0, 100, 10.0, tuple("abcdef")))
    life(window, answer(window))
    assert recording._reels["shed"]._mailbox.capacity == keeping.MOST_WAITING
    recording.close()


def test_a_full_disk_costs_frames_and_the_recording_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tape_folder, "SPARE_BYTES", 0)
    with small_disk(tmp_path, 1000) as disk:
        recording = InputRecording(disk.path)
        life = recording.of("door", settings, None)
        take(recording, life, [picture(0, noise=True)])
        wait_written(recording, "door", 1)
        disk.fill()
        number = 1
        while "cannot record the inputs of door: No space left on device" not in caplog.text:
            take(recording, life, [picture(number, noise=True)])
            number += 1
        disk.free()
        before = number
        while recording._reels["door"]._worker.last_retry:
            take(recording, life, [picture(number, noise=True)])
            number += 1
        recording.close()
        recorded = Recorded(disk.path, "door")
        found = numbers(disk.path)
        assert recorded.damaged == []
        assert recorded.cut_off == []
    assert found[0] == 0
    assert found[-1] >= before
    assert len(found) < number


def test_a_recording_leaves_room_for_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tape_folder, "SPARE_BYTES", 1 << 60)
    recording = InputRecording(tmp_path)
    life = recording.of("door", settings, None)
    life(picture(0), answer(picture(0)))
    until(lambda: "MB are free" in caplog.text)
    recording.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot make the folder"):
        InputRecording(tmp_path / "file" / "folder")


def test_a_pipeline_with_two_workers_is_kept_in_the_order_of_its_frames(tmp_path: Path) -> None:
    recording = InputRecording(tmp_path)
    first_is_in = threading.Event()

    def act(frame: Frame) -> None:
        if frame.number % 2:  # each odd frame overtakes the even one before it
            first_is_in.set()
        else:
            first_is_in.wait(20)
            until(lambda: len(harness.published) >= frame.number // 2 or frame.number == 0)

    frames = [picture(number, live=False) for number in range(6)]
    harness = Harness(
        ScriptedSource(frames, live=False),
        lambda: ScriptedModel(act),
        workers=2,
        analysis=recording.of("door", lambda: settings(model={**MODEL, "workers": 2}), None),
    )
    harness.run()
    recording.close()
    assert sorted(harness.numbers) == list(range(6))
    assert numbers(tmp_path) == list(range(6))
    assert sorted(entry.place for entry in entries(tmp_path)) == list(range(6))
