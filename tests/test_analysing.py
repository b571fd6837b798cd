"""From a configuration to what follows, finds events, and takes their pictures."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_infer import config
from edge_infer.analysing import Events, make_analysis
from edge_infer.draw import draw, encode_jpeg
from edge_infer.errors import ConfigError, ModelError, UsageError
from edge_infer.event_pictures import MOST
from edge_infer.pipeline import Analysis
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import load_model
from edge_infer.types import Classes, Detections, Event, Frame, ModelId, Prediction, Result, Span

PIXELS = np.zeros((100, 100, 3), np.uint8)
CAT = "source: {kind: picamera}\nmodel: {path: m}\n"


def settings(text: str) -> PipelineSettings:
    return config.parse(CAT + text, PipelineSettings)


def boxes(*corners: tuple[float, float, float, float], score: float = 0.9) -> Detections:
    found = np.array(corners, np.float32).reshape(-1, 4)
    n = len(corners)
    return Detections(found, np.full(n, score, np.float32), np.zeros(n, int), ("cat",) * n)


class Film:
    """Frames of ten a second, what was said of them, and what was published."""

    def __init__(self, text: str, *, publishes: bool = True) -> None:
        self.pictures: list[tuple[str, bytes]] = []
        self.events: list[Event] = []
        self.frames = 0
        publish = (lambda jpeg, event: self.pictures.append((event, jpeg))) if publishes else None
        analysis = make_analysis(settings(text), "door", publish)
        assert analysis is not None
        self.analysis: Analysis = analysis

    def show(self, prediction: Prediction | None, times: int = 1, **more: Any) -> Result:
        for _ in range(times):
            frame = Frame(
                "s", self.frames, more.get("data", PIXELS), 1000.0, self.frames * 100_000_000, span=more.get("span")
            )
            said = {"task": "detect", "model": ModelId("m", "1", "00"), "device": "cpu", "prediction": prediction}
            result, events = self.analysis(frame, Result.of(frame, **said))
            self.events += events
            self.frames += 1
        return result

    def end(self, reason: str) -> None:
        self.events += self.analysis.end(reason)


def test_nothing_is_made_of_results_where_nothing_is_said() -> None:
    assert make_analysis(settings(""), "door") is None


def test_objects_are_followed_and_become_events() -> None:
    film = Film("events: {}")
    result = film.show(boxes((10, 10, 50, 50), (60, 60, 90, 90)), 10)
    assert isinstance(result.prediction, Detections)
    assert sorted(one.track_id or 0 for one in result.prediction) == [1, 2]
    assert [(event.phase, event.kind) for event in film.events] == [("start", "object")] * 2
    film.end("stopped")
    assert [event.reason for event in film.events[2:]] == ["stopped"] * 2


def test_what_comes_after_the_stop_is_nobody_s() -> None:
    film = Film("events: {track: false}")
    film.show(boxes((10, 10, 50, 50)))
    film.end("lost")
    film.show(boxes((10, 10, 50, 50)))
    film.end("stopped")
    film.show(boxes((10, 10, 50, 50)))
    film.end("stopped")
    assert [event.phase for event in film.events] == ["start", "end"] * 2


def test_a_zone_alone_wants_events_too() -> None:
    film = Film("zones: {yard: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}")
    film.show(boxes((10, 10, 50, 50)), 10)
    assert [(event.kind, event.where) for event in film.events] == [("object", ""), ("zone", "yard")]


def test_a_picture_comes_with_the_start_and_the_best_one_with_the_end(tmp_path: Path) -> None:
    film = Film(f"events: {{track: false, snapshot: true, hold_s: 0.2, keep: {{folder: {tmp_path}}}}}")
    shown = {size: film.show(boxes((0, 0, size, size)), 10) for size in (20, 40, 60, 80, 70, 50)}
    film.show(boxes(), 5)
    film.end("stopped")
    start, end = film.events[0], film.events[-1]
    assert (start.phase, end.phase, start.snapshot, end.snapshot) == ("start", "end", True, True)
    (first_id, first), (last_id, last) = film.pictures
    assert first_id == last_id == start.id
    assert (first, last) == tuple(encode_jpeg(draw(PIXELS, shown[size])) for size in (20, 80))
    assert (tmp_path / f"{start.id}.jpg").read_bytes() == last


def test_pictures_are_taken_once_for_all_events_of_a_frame_and_their_number_has_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edge_infer import event_pictures

    taken = []
    monkeypatch.setattr(event_pictures, "encode_jpeg", lambda image: taken.append(1) or b"jpeg")
    film = Film("events: {snapshot: true, max_per_minute: null, hold_s: 0.1}\ndecode: {max_results: 100}")
    many = boxes(*[(10.0 * x, 10.0 * y, 10.0 * x + 8, 10.0 * y + 8) for x in range(10) for y in range(5)])
    film.show(many, 10)
    starts = [event for event in film.events if event.phase == "start"]
    assert len(starts) == 50
    assert sum(event.snapshot for event in starts) == len(film.pictures) == MOST
    assert len(taken) <= 2
    film.end("stopped")
    assert len(film.pictures) == 2 * MOST


def test_samples_have_pictures_too() -> None:
    film = Film("events: {snapshot: true}")
    heard = Classes(np.zeros(1, int), np.ones(1, np.float32), ("glass",))
    span = Span(0, 100, 100.0, ("x", "y"))
    film.show(heard, data=np.zeros((100, 2), np.float32), span=span)
    assert film.events[0].snapshot
    assert cv2.imdecode(np.frombuffer(film.pictures[0][1], np.uint8), cv2.IMREAD_COLOR) is not None


def test_who_plays_results_again_gets_the_same_events_and_writes_nothing(tmp_path: Path) -> None:
    text = f"events: {{snapshot: true, track: false, keep: {{folder: {tmp_path / 'kept'}}}}}"
    films = [Film(text), Film(text, publishes=False)]
    for film in films:
        film.show(boxes((10, 10, 50, 50)), 3)
        film.end("stopped")
    assert films[0].events == films[1].events
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("events: {track: false}\nlines: {a: {points: [[0,0],[1,1]]}}", "leave out events.track"),
        ("zones: {a: {polygon: [[0,0],[0.5,0.5],[1,1]]}}", "lie on one line"),
        ("zones: {a: {polygon: [[0,0],[1,1]]}}", "at least 3 long"),
        ("zones: {a: {polygon: [[0,0],[2,0],[1,1]]}}", "expected a number >= 0 and <= 1"),
        ("lines: {a: {points: [[0.5,1],[0.5,1]]}}", "all points of the line are the same"),
        ("lines: {a: {points: [[0,0],[1,1]], directions: [in, in]}}", "different names"),
        ("zones: {a/b: {polygon: [[0,0],[1,0],[1,1]]}}", "a/b"),
        ("events: {smooth: {}}", "either stay or mean"),
        ("events: {smooth: {stay: 0.9, mean: 3}}", "either stay or mean"),
        ("events: {min_score: 0.5, keep_score: 0.6}", "keep_score is more than min_score"),
        ("publish: []", "at least 1 long"),
    ],
)
def test_what_cannot_be_is_a_mistake_in_the_configuration(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        config.parse(CAT + text + "\n", PipelineSettings)


def test_an_application_finds_events_in_its_own_stream() -> None:
    happens = Events("clip", hold_s=0.2, zones={"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "inertia": 1}})
    told = []
    for number in range(5):
        frame = Frame("s", number, PIXELS, 1000.0, number * 100_000_000)
        said = {"task": "detect", "model": ModelId("m", "1", "00"), "device": "cpu"}
        result, events = happens(Result.of(frame, prediction=boxes((10, 10, 50, 50)), **said))
        told += events
    assert [one.track_id for one in result] == [1]
    assert [(event.phase, event.kind) for event in told] == [("start", "object"), ("start", "zone")]
    assert [(event.kind, event.reason) for event in happens.end()] == [("zone", "stopped"), ("object", "stopped")]
    assert told[0].id.endswith("-clip-1")


@pytest.mark.parametrize("options", [{"hold": 1}, {"hold_s": -1}, {"zones": {"a": {"polygon": [[0, 0]]}}}])
def test_an_application_is_told_what_it_said_wrong(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="an option of Events is wrong"):
        Events(**options)


@pytest.mark.parametrize(
    "place", ["events: {labels: [fase]}", "zones: {a: {polygon: [[0,0],[1,0],[1,1]], labels: [fase]}}"]
)
def test_a_label_that_the_model_does_not_have_is_told_when_it_is_loaded(place: str) -> None:
    face = Path(__file__).resolve().parents[1] / "models/face-detection"
    wrong = config.parse(
        f"source: {{kind: picamera}}\nmodel: {{path: {face}, device: cpu}}\n{place}\n", PipelineSettings
    )
    with pytest.raises(ModelError, match="the model has no class 'fase'; it has face"):
        load_model(wrong)
