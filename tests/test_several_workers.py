"""Several workers are faster, and nothing else: the same results in the same order, the same tracks and events."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scripted import Harness, ScriptedSource

from edge_infer import config
from edge_infer.analysing import make_analysis
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import load_model
from edge_infer.sources.images import read_image
from edge_infer.types import Detections, Event, Frame

FACES = Path(__file__).resolve().parents[1] / "models/face-detection"
PIPELINE = f"""
source: {{kind: picamera}}
model: {{path: {FACES}}}
events: {{hold_s: 0.3, confirm: 2, confirm_s: 0}}
zones: {{left: {{polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], inertia: 1, anchor: centre}}}}
"""
SEEN = [*range(5, 25), *range(35, 55)]  # in which frames of 60 there is a face


def clip() -> list[Frame]:
    """A face that walks through the picture from left to right, twice."""
    picture = read_image(FACES / "sample.jpg")
    height, width = picture.shape[:2]
    frames = []
    for number in range(60):
        data = np.zeros_like(picture)
        if number in SEEN:
            shift = int(width * (SEEN.index(number) % 20 - 10) / 40)
            data = cv2.warpAffine(picture, np.array([[1, 0, shift], [0, 1, 0]], np.float64), (width, height))
        frames.append(Frame("clip", number, data, 1000.0 + number / 10, 10**9 + number * 10**8, media_s=number / 10))
    return frames


def told(workers: int) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What is said of the clip: of each frame the objects with their tracks, and all events."""
    settings = config.parse(PIPELINE, PipelineSettings)
    events: list[Event] = []
    harness = Harness(
        ScriptedSource(clip(), live=False),
        lambda: load_model(settings),
        workers=workers,
        analysis=make_analysis(settings, "door"),
        publish_event=lambda event, _name: events.append(event),
    ).run()
    harness.pipeline.end_events("stopped")
    results: list[tuple[object, ...]] = []
    for result in harness.published:
        assert isinstance(result.prediction, Detections)
        objects = [(d.label, round(d.score, 4), d.track_id, *np.round(d.box, 2)) for d in result.prediction]
        results.append((result.number, result.status, *objects))
    return results, [
        (event.frame, event.phase, event.kind, event.label, event.where, event.track_id, event.reason)
        for event in events
    ]


@pytest.mark.usefixtures("no_thread_is_left_behind")
def test_three_workers_tell_the_same_as_one() -> None:
    results, events = told(1)
    assert [result[0] for result in results] == list(range(60))
    assert {event[2] for event in events} == {"object", "zone"}
    assert [event[1] for event in events if event[2] == "object"] == ["start", "end"] * 2
    assert told(3) == (results, events)
