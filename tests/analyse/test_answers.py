"""Events carry what a second model has said of the best picture of their object."""

from dataclasses import replace

import numpy as np
import pytest
from happened import Story, Thing, classes, objects, phases

from edge_infer.analyse.answers import Answer, gist
from edge_infer.analyse.settings import LineSettings, ZoneSettings
from edge_infer.types import Anomaly, Classes, Detections, Embedding, Event, Measurements, Prediction

VECTOR = np.ones(1, np.float32)
ANNA, BEN, NOBODY = classes(anna=0.9), classes(ben=0.8), classes()


def asked(detail: Prediction | None, **thing: float) -> Detections:
    """A followed person, and what the second model says."""
    return replace(objects(Thing(**thing)), details=(detail,))  # type: ignore[arg-type]


def name(event: Event) -> str | None:
    """The best class of an event's answer."""
    return next((one.label for one in event.detail), None) if isinstance(event.detail, Classes) else None


def test_the_answer_is_that_about_the_best_picture_so_far() -> None:
    story = Story(update_s=None)
    story.see(asked(classes(ben=0.99), score=0.6))
    story.see(asked(ANNA, score=0.9))
    story.see(asked(BEN, score=0.7))
    story.see(objects(), 5)
    assert [(event.phase, name(event)) for event in story.events] == [("start", "ben"), ("end", "anna")]
    assert story.events[-1].detail is ANNA


def test_without_a_second_model_there_is_no_answer() -> None:
    story = Story()
    story.see(objects(Thing()))
    story.see(asked(None))
    story.end()
    assert [event.detail for event in story.events] == [None, None]


def test_an_answer_that_names_nobody_gives_way_to_one_that_does() -> None:
    story = Story()
    story.see(asked(Embedding(VECTOR, NOBODY), score=0.9))
    story.see(asked(Embedding(VECTOR, ANNA), score=0.6))
    story.see(asked(Embedding(VECTOR, NOBODY), score=0.95))
    story.end()
    said = story.events[-1].detail
    assert isinstance(said, Embedding)
    assert said.nearest is ANNA


def test_an_answer_that_is_kept_is_about_the_frame_that_was_asked_about() -> None:
    story = Story()
    story.see(asked(BEN, score=0.5))
    story.see(asked(BEN, score=0.99), 3)  # `every_s`: nobody has asked anew
    story.see(asked(ANNA, score=0.7))
    story.end()
    assert [name(event) for event in story.events] == ["ben", "anna"]


def test_another_name_is_news_and_a_surer_one_is_not() -> None:
    story = Story(update_s=0.1)
    story.see(asked(None, score=0.9))
    story.see(asked(BEN, score=0.9))
    story.see(asked(classes(ben=0.99), score=0.901))
    story.see(asked(ANNA, score=0.902))
    story.see(asked(classes(ben=0.99), score=0.5))  # a worse picture
    assert [(event.phase, name(event)) for event in story.events] == [
        ("start", None),
        ("update", "ben"),
        ("update", "anna"),
    ]


def test_who_was_known_before_is_known_in_a_zone_and_on_a_line() -> None:
    half = {"gate": LineSettings(points=((0.5, 1.0), (0.5, 0.0)))}
    story = Story({"lawn": ZoneSettings(polygon=((0.6, 0), (1, 0), (1, 1), (0.6, 1)), inertia=1)}, half)
    story.see(asked(ANNA, x=10, score=0.9))
    for x in (30, 45, 65, 80):
        story.see(asked(None, x=x, score=0.8))
    assert phases(story.events) == ["object start", "zone start lawn", "line end gate"]
    assert [name(event) for event in story.events] == ["anna"] * 3


def test_without_tracks_it_is_about_the_best_object_of_a_label() -> None:
    story = Story(track=False)
    both = objects(Thing(1, x=20, score=0.5), Thing(2, x=70, score=0.9))
    story.see(replace(both, details=(BEN, ANNA)))
    assert [name(event) for event in story.events] == ["anna"]


def test_of_a_picture_that_is_as_good_the_first_answer_stays() -> None:
    assert not Answer(ANNA, 1.0).is_better_than(Answer(BEN, 1.0))
    assert Answer(ANNA, 1.0).is_better_than(None)
    assert Answer(Anomaly(3.0, 2.0), 2.0).is_better_than(Answer(ANNA, 1.0))


TWO_HEADS = Classes(np.array([1, 2, 7]), np.ones(3, np.float32), ("red", "blue", "van"), ("colour", "colour", "kind"))
PLATE = Detections(np.zeros((1, 4), np.float32), VECTOR, np.zeros(1, int), ("plate",))
NEWS: list[tuple[Prediction | None, Prediction | None, bool]] = [
    (None, ANNA, True),
    (ANNA, BEN, True),
    (ANNA, replace(ANNA, scores=VECTOR / 2), False),
    (classes(anna=0.9, ben=0.2), replace(ANNA), False),
    (TWO_HEADS, replace(TWO_HEADS, labels=("red", "blue", "car"), class_ids=np.array([1, 2, 8])), True),
    (TWO_HEADS, replace(TWO_HEADS, labels=("red", "green", "van"), class_ids=np.array([1, 3, 7])), False),
    (Embedding(VECTOR), Embedding(VECTOR * 2), False),
    (Embedding(VECTOR, ANNA), Embedding(VECTOR, BEN), True),
    (PLATE, replace(PLATE), False),
    (PLATE, Detections(np.zeros((0, 4), np.float32), VECTOR[:0], np.zeros(0, int), ()), True),
    (Measurements(VECTOR, ("age",), ("",)), Measurements(VECTOR * 2, ("age",), ("",)), False),
]


@pytest.mark.parametrize(("before", "after", "news"), NEWS)
def test_what_is_news_of_an_answer(before: Prediction | None, after: Prediction | None, news: bool) -> None:
    assert (gist(before) != gist(after)) == news
