"""Recorded inputs give the same again, bit for bit; where they do not, it is told where."""

import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from footage import write_clip
from test_feeding import counter
from tflite_writer import FULLY_CONNECTED, RESHAPE, Graph, Op, Tensor, model_bytes, write_answers
from waiting import until

from edge_infer import config
from edge_infer.answering import no_answer
from edge_infer.cli.main import main
from edge_infer.daemon import Daemon
from edge_infer.errors import InputError, ModelError, UnavailableError, UsageError
from edge_infer.keeping import InputRecording
from edge_infer.loading import load
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import open_source
from edge_infer.settings import Settings
from edge_infer.sources.images import read_image
from edge_infer.sources.replay import ReplaySource
from edge_infer.streaming import stream
from edge_infer.tape.entries import Beginning, Ended, Kept, encode
from edge_infer.tape.folder import segments
from edge_infer.tape.reader import Recorded
from edge_infer.tape.segment import packed, scan
from edge_infer.tools.replay import Instead, Replay, Replayed
from edge_infer.tools.sameness import of_result
from edge_infer.types import Detections, Event, Result

ROOT = Path(__file__).resolve().parents[1]
FACES = ROOT / "models/face-detection"


def record(folder: Path, **pipelines: dict[str, Any]) -> None:
    """Run a daemon until its sources have ended."""
    said = {"version": 1, "device": {"id": "test"}, "file": {"path": str(folder.parent / "out.jsonl")}}
    keep = InputRecording(folder)
    Daemon(config.from_options(Settings, {**said, "pipelines": pipelines}, "a test"), keep=keep).run()
    keep.close()


def replay(folder: Path, pipeline: str = "door", **instead: Any) -> tuple[Replayed, list[Result]]:
    results: list[Result | Event] = []
    said = Replay(Recorded(folder, pipeline), Instead(**instead), lambda _, one: results.append(one)).run()
    return said, [one for one in results if isinstance(one, Result)]


def video(folder: Path) -> dict[str, Any]:
    return {"kind": "video", "uri": str(write_clip(folder / "clip.avi"))}


def kept(folder: Path, pipeline: str = "door") -> list[Kept]:
    recorded = Recorded(folder, pipeline)
    return [entry for life in recorded.lives for _, entry in recorded.entries(life) if isinstance(entry, Kept)]


def face(folder: Path) -> dict[str, Any]:
    """A pipeline that sees a face in each of 8 frames, a tenth of a second from one to the next."""
    picture = read_image(FACES / "sample.jpg")
    path = folder / "face.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (picture.shape[1], picture.shape[0]))
    for _ in range(8):
        writer.write(picture)
    writer.release()
    return {"source": {"kind": "video", "uri": str(path)}, "model": {"path": str(FACES)}}


def sees(folder: Path, name: str = "tiny") -> dict[str, Any]:
    """A pipeline whose model says the same of each of 24 frames, at once."""
    scores = {"scores": np.array([[0.25, 0.75]], np.float32)}
    model = write_answers(folder / f"{name}.tflite", scores, size=(8, 8), dtype="uint8")
    return {"source": video(folder), "model": {"path": str(model)}, "decode": {"kind": "classify"}}


def test_a_face_detector_says_the_same_again(tmp_path: Path) -> None:
    record(tmp_path / "r", door=face(tmp_path))
    said, results = replay(tmp_path / "r")
    assert said.results == 8
    assert said.identical
    assert (said.different, said.unsure, said.notes, said.damaged) == (0, 0, [], [])
    assert all(len(result) == 1 for result in results)


def test_a_detector_with_its_own_post_processing_says_the_same_again(
    tmp_path: Path, models: Path, inputs: Path
) -> None:
    model = next(models.glob("*coco_ssd*.tflite"))
    record(
        tmp_path / "r",
        door={"source": {"kind": "images", "uri": str(inputs / "cat.bmp")}, "model": {"path": str(model)}},
    )
    said, results = replay(tmp_path / "r")
    assert (said.results, said.different) == (1, 0)
    assert results[0].prediction is not None
    assert len(results[0]) >= 1


def test_two_pipelines_and_two_workers_each_say_the_same_again(tmp_path: Path) -> None:
    door = sees(tmp_path)
    record(tmp_path / "r", door=door | {"model": door["model"] | {"workers": 2}}, yard=face(tmp_path))
    for pipeline, frames in (("door", 24), ("yard", 8)):
        said, results = replay(tmp_path / "r", pipeline)
        assert (said.results, said.different, said.missing) == (frames, 0, 0)
        assert [result.number for result in results] == sorted(result.number for result in results)


def test_another_threshold_shows_where_the_first_difference_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "r", door=face(tmp_path))
    other = face(tmp_path) | {"decode": {"min_score": 0.99}}
    (tmp_path / "c.yaml").write_text(json.dumps({"version": 1, "device": {"id": "x"}, "pipelines": {"door": other}}))
    said, _ = replay(tmp_path / "r", config=tmp_path / "c.yaml")
    assert said.different == said.results == 8
    assert said.first is not None
    assert said.first.startswith("frame 0, prediction.boxes: [1, 4] float32 then, [0, 4] float32 now (and")
    assert main(["replay", str(tmp_path / "r"), "--config", str(tmp_path / "c.yaml")]) == 65
    assert "door: identical: 0 of 8 results\n" in capsys.readouterr().out


def sums(path: Path, samples: int = 8) -> Path:
    """A model of windows of samples with 2 channels: what they add up to."""
    values = 2 * samples
    graph = Graph(
        [
            Tensor("window", (1, samples, 2)),
            Tensor("shape", (2,), "int32", (1, values)),
            Tensor("flat", (1, values)),
            Tensor("ones", (1, values), "float32", np.ones((1, values), np.float32)),
            Tensor("zero", (1,), "float32", np.zeros(1, np.float32)),
            Tensor("sum", (1, 1)),
        ],
        ["window"],
        ["sum"],
        [Op(RESHAPE, ["window", "shape"], ["flat"]), Op(FULLY_CONNECTED, ["flat", "ones", "zero"], ["sum"])],
    )
    path.write_bytes(model_bytes(graph))
    return path


def sound(path: Path, samples: int = 100) -> Path:
    values = np.random.default_rng(1).integers(-9999, 9999, (samples, 2), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(100)
        file.writeframes(values.tobytes())
    return path


def hears(folder: Path) -> dict[str, Any]:
    """A pipeline of windows that overlap by half."""
    return {
        "source": {"kind": "wav", "uri": str(sound(folder / "x.wav"))},
        "model": {"path": str(sums(folder / "sums.tflite"))},
        "prepare": {"input": "series", "overlap": 0.5},
        "decode": {"kind": "tensors"},
    }


def test_windows_of_samples_say_the_same_again(tmp_path: Path) -> None:
    record(tmp_path / "r", shed=hears(tmp_path))
    said, results = replay(tmp_path / "r", "shed")
    assert (said.results, said.different, said.notes) == (24, 0, [])
    assert [result.span.start for result in results if result.span] == [4 * number for number in range(24)]
    assert [result.media_s for result in results] == [entry.media_s for entry in kept(tmp_path / "r", "shed")]


def counts(folder: Path) -> dict[str, Any]:
    """A pipeline whose model counts the frames that it was shown."""
    return {
        "source": video(folder),
        "model": {"path": str(counter(folder / "m.tflite"))},
        "decode": {"kind": "tensors"},
    }


def test_a_model_that_remembers_says_the_same_again_from_each_start_on(tmp_path: Path) -> None:
    for _ in range(2):
        record(tmp_path / "r", door=counts(tmp_path))
    said, results = replay(tmp_path / "r")
    assert (said.results, said.different, said.missing) == (48, 0, 0)
    answers = [float(dict(result.prediction)["answer"][0, 0]) for result in results]  # type: ignore[arg-type]
    assert answers == [*range(24), *range(24)]


def test_what_a_model_remembers_of_frames_that_are_gone_proves_nothing(tmp_path: Path) -> None:
    record(tmp_path / "r", door=counts(tmp_path))
    (path,) = segments(tmp_path / "r")["door"]
    content = path.read_bytes()
    beginning, first, second, *_ = scan(path).places
    assert (beginning.kind, first.kind) == ("beginning", "kept")
    path.write_bytes(content[: first.offset] + content[second.offset :])
    said, _ = replay(tmp_path / "r")
    assert (said.results, said.different, said.unsure, said.missing) == (23, 0, 23, 1)
    assert said.identical


def test_what_a_damaged_file_still_holds_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "r", door=sees(tmp_path))
    (path,) = segments(tmp_path / "r")["door"]
    content = bytearray(path.read_bytes())
    places = scan(path).places
    for struck in (4, 9):
        content[places[struck].offset + places[struck].size // 2] ^= 1
    content[places[15].offset] ^= 1
    path.write_bytes(content)
    assert main(["replay", str(tmp_path / "r")]) == 65
    shown = capsys.readouterr()
    assert "door: identical: 20 of 20 results" in shown.out
    assert shown.err.count(f"edge-infer: {path.name} is damaged at byte ") == 3
    with open_source(tmp_path / "r") as source:
        assert len(list(source)) == 20
        assert source.skipped == {"corrupt": 3}


def test_a_file_that_does_not_say_with_what_it_was_made_is_like_the_one_before(tmp_path: Path) -> None:
    for _ in range(2):
        record(tmp_path / "r", door=sees(tmp_path))
    path = segments(tmp_path / "r")["door"][1]
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    said, _ = replay(tmp_path / "r")
    assert said.results == len(kept(tmp_path / "r"))
    assert said.different == 0
    assert len(said.damaged) == 1
    segments(tmp_path / "r")["door"][0].unlink()
    with pytest.raises(InputError, match="nothing tells with what it was made"):
        replay(tmp_path / "r")


def test_what_was_written_by_a_version_to_come_is_refused(tmp_path: Path) -> None:
    beginning = Beginning(
        format=2, pipeline="door", life="1", settings={}, model={}, software={}, machine={}, written_at=0
    )
    (tmp_path / "door.00000001.tape").write_bytes(packed("beginning", 0, -1, encode(beginning)) * 2)
    with pytest.raises(InputError, match=r"is of format 2, not 1: use the edge-infer that wrote it"):
        Recorded(tmp_path, "door")


def test_another_model_is_named_and_its_differences_are_shown(tmp_path: Path) -> None:
    record(tmp_path / "r", door=sees(tmp_path))
    other = write_answers(
        tmp_path / "other.tflite", {"scores": np.array([[0.5, 0.75]], np.float32)}, size=(8, 8), dtype="uint8"
    )
    said, _ = replay(tmp_path / "r", model=other)
    assert said.different == said.results == 24
    assert said.first == "frame 0, prediction.scores[1]: 0.25 then, 0.5 now"
    assert [note.partition(":")[0] for note in said.notes] == ["another model"]
    (tmp_path / "tiny.tflite").unlink()
    with pytest.raises(UnavailableError, match=r"door was recorded with tiny \(sha256 .*give it with --model"):
        replay(tmp_path / "r")


def test_a_model_of_other_windows_is_told_by_each_answer_and_one_of_pictures_at_once(tmp_path: Path) -> None:
    record(tmp_path / "r", shed=hears(tmp_path))
    said, _ = replay(tmp_path / "r", "shed", model=sums(tmp_path / "other.tflite", 10))
    assert said.different == said.results == 24
    assert said.first is not None
    assert said.first.startswith("frame 0, error: None then, 'a window of 8 samples of 2 channels")
    with pytest.raises(ModelError, match="samples need"):
        replay(tmp_path / "r", "shed", model=FACES)


def test_frames_that_got_no_answer_in_time_are_not_compared(tmp_path: Path) -> None:
    settings = config.from_options(PipelineSettings, face(tmp_path), "a test")
    recording = InputRecording(tmp_path / "r")
    life = recording.of("door", lambda: settings, None)
    with load(FACES) as model, open_source(FACES / "sample.jpg") as source:
        frame = source.read()
        life(frame, model.predict(frame))
        life(replace(frame, number=1), no_answer(model, frame, "the model hangs", "timeout"))
    recording.close()
    said, results = replay(tmp_path / "r")
    assert (said.results, said.different, said.unanswered) == (1, 0, 1)
    assert [result.status for result in results] == ["ok", "timeout"]


def test_a_folder_without_a_recording_is_unavailable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path)]) == 69
    assert "there are no recorded inputs in" in capsys.readouterr().err
    (tmp_path / "door.00000001.tape").touch()
    assert main(["replay", str(tmp_path)]) == 69
    assert "no frame of door can be read" in capsys.readouterr().err
    assert main(["replay", str(tmp_path), "--pipeline", "dor"]) == 69
    assert "there is no pipeline 'dor'" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- as a source


def test_a_recording_is_a_source_of_the_pictures_and_their_times(tmp_path: Path) -> None:
    record(tmp_path / "r", door=sees(tmp_path))
    with open_source(tmp_path / "r") as source:
        assert isinstance(source, ReplaySource)
        frames = list(source)
    recorded = kept(tmp_path / "r")
    assert [frame.number for frame in frames] == list(range(24))
    assert all(np.array_equal(one.data, other.frame().data) for one, other in zip(frames, recorded, strict=True))
    assert [frame.media_s for frame in frames] == pytest.approx([one.media_s for one in recorded])


def test_a_recording_of_windows_is_a_source_of_the_samples_without_overlap(tmp_path: Path) -> None:
    record(tmp_path / "r", shed=hears(tmp_path))
    with open_source(tmp_path / "r") as blocks, open_source(tmp_path / "x.wav") as original:
        found, given = list(blocks), list(original)
    assert [frame.span.start for frame in found if frame.span] == [0, *range(8, 100, 4)]
    same = np.concatenate([frame.data for frame in found]), np.concatenate([frame.data for frame in given])
    assert np.array_equal(*same)
    options = {"input": "series", "overlap": 0.5, "kind": "tensors"}
    with open_source(tmp_path / "r", name="shed") as source, load(tmp_path / "sums.tflite", **options) as model:  # type: ignore[arg-type]
        again = list(stream(source, model))
    recorded = kept(tmp_path / "r", "shed")
    for one, other in zip(again, recorded, strict=True):
        assert one.number == other.number
        assert one.span == other.span
        assert one.media_s == pytest.approx(other.media_s)
        assert of_result(other.result, replace(one, captured_at=other.captured_at, captured_ns=other.captured_ns)) == []


def test_two_recordings_follow_each_other_without_going_back_in_time(tmp_path: Path) -> None:
    for _ in range(2):
        record(tmp_path / "r", shed=hears(tmp_path))
    with (
        open_source(tmp_path / "r", pipeline="shed") as source,
        load(tmp_path / "sums.tflite", input="series", overlap=0.5, kind="tensors") as model,
    ):
        results = list(stream(source, model))
    assert len(results) == 48
    times = [result.media_s or 0.0 for result in results]
    assert times == sorted(times)


def test_which_of_several_pipelines_is_asked_for(tmp_path: Path) -> None:
    record(tmp_path / "r", door=sees(tmp_path), yard=sees(tmp_path))
    with pytest.raises(UsageError, match="say which, pipeline: door or yard"):
        open_source(tmp_path / "r")
    with open_source(tmp_path / "r", pipeline="yard", pace="realtime") as source:
        assert source.read().data.shape == (240, 320, 3)


def test_infer_answers_for_recorded_pictures_and_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "r", door=sees(tmp_path))
    kind = ["--decoder", "classify"]
    record(tmp_path / "s", shed=hears(tmp_path))
    assert (
        main(
            [
                "infer",
                "--json",
                "--model",
                str(tmp_path / "tiny.tflite"),
                *kind,
                str(tmp_path / "r"),
                "--out",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["input"] for row in rows] == [str(tmp_path / "r" / f"{number:06}") for number in range(24)]
    assert len(list((tmp_path / "out").iterdir())) == 24
    samples = ["--model", str(tmp_path / "sums.tflite"), "--decoder", "tensors"]
    assert main(["infer", "--json", *samples, str(tmp_path / "s")]) == 0
    assert len(json.loads(capsys.readouterr().out)["windows"]) == 12


def test_what_followed_from_the_answers_is_the_same_again_to_its_end(tmp_path: Path) -> None:
    record(tmp_path / "r", door=face(tmp_path) | {"events": {}})
    said, results = replay(tmp_path / "r")
    assert (said.events_different, said.different) == (0, 0)
    assert said.events >= 2
    assert any(one.track_ids is not None for result in results if isinstance(one := result.prediction, Detections))
    recorded = Recorded(tmp_path / "r", "door")
    entries = [entry for _, entry in recorded.entries(recorded.lives[0])]
    ended = next(entry for entry in entries if isinstance(entry, Ended))
    assert (ended.reason, ended.events[0]["phase"]) == ("stopped", "end")


def test_the_clock_of_a_live_recording_counts_from_its_first_frame(tmp_path: Path) -> None:
    settings = config.from_options(PipelineSettings, face(tmp_path), "a test")
    recording = InputRecording(tmp_path / "r")
    with load(FACES) as model, open_source(FACES / "sample.jpg") as source:
        frame = source.read()
        result = model.predict(frame)
    for seconds in ((0.0, 0.5, 1.0), (60.0, 60.25)):  # of two starts, a minute apart: the clock of people tells
        life = recording.of("door", lambda: settings, None)
        for number, at in enumerate(seconds):
            shown = replace(
                frame, number=number, captured_at=1e9 + at, captured_ns=round((at % 60 + 7) * 1e9), path=None
            )
            life(shown, replace(result, number=number))
            until(lambda: not recording._reels["door"]._mailbox)
    recording.close()
    with open_source(tmp_path / "r") as found:
        assert [one.media_s for one in found] == pytest.approx([0.0, 0.5, 1.0, 60.0, 60.25])
