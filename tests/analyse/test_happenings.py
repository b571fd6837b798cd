"""What happens: begins, goes on, ends. Ten results a second; things are held for 0.25 s."""

from typing import Any

import numpy as np
import pytest
from happened import Story, Thing, anomaly, classes, objects, phases, result
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.analyse.happenings import Happenings
from edge_infer.analyse.settings import EventSettings, LineSettings, ZoneSettings
from edge_infer.types import Embedding, Event, Keypoints, Mask, Measurements, Prediction

NOBODY = objects()
SOMEBODY = objects(Thing())


def test_an_object_begins_is_held_through_flicker_and_ends_when_results_lack_it() -> None:
    story = Story()
    story.see(SOMEBODY, 5)
    story.see(NOBODY, 2)  # 0.1 s without it
    story.see(SOMEBODY, 3)
    story.see(NOBODY, 3)
    assert story.told == ["object start"]
    (end,) = story.see(NOBODY)
    start = story.events[0]
    assert end.id == start.id
    assert (start.frame, end.frame, end.reason) == (0, 13, "gone")
    assert end.duration_s == pytest.approx(0.9)  # from the first sight to the last
    assert end.started_at == start.started_at == start.captured_at
    assert (end.label, end.track_id, round(end.top_score or 0.0, 2)) == ("person", 1, 0.9)
    assert story.see(NOBODY, 20) == []


def test_an_occlusion_that_lasts_longer_is_an_end_and_what_comes_back_begins_anew() -> None:
    story = Story()
    story.see(SOMEBODY, 3)
    story.see(NOBODY, 10)
    story.see(SOMEBODY, 3)
    assert story.told == ["object start", "object end", "object start"]
    assert len({event.id for event in story.events}) == 2


def test_results_without_an_answer_show_no_absence() -> None:
    story = Story()
    story.see(SOMEBODY)
    story.see(None, 100)
    story.see(SOMEBODY)
    assert story.told == ["object start"]


def test_a_pause_without_results_is_no_absence_but_what_the_results_after_it_lack_is() -> None:
    story = Story()
    story.see(SOMEBODY)
    story.frame += 600  # the frames of a minute did not come
    story.see(NOBODY, 3)
    assert story.told == ["object start"]
    story.see(NOBODY)
    assert story.told == ["object start", "object end"]
    assert story.events[-1].duration_s == 0.0


def test_several_objects_are_several_events() -> None:
    story = Story()
    story.see(objects(Thing(1, 10), Thing(2, 90, label="dog")), 3)
    story.see(objects(Thing(2, 90, label="dog")), 5)
    assert [(event.phase, event.label, event.track_id) for event in story.events] == [
        ("start", "person", 1),
        ("start", "dog", 2),
        ("end", "person", 1),
    ]
    (end,) = story.end("lost")
    assert (end.label, end.reason, end.frame) == ("dog", "lost", None)
    assert story.end("stopped") == []


def test_an_object_that_is_not_followed_yet_is_nothing_yet() -> None:
    story = Story()
    assert story.see(objects(Thing(track=-1)), 5) == []


def test_without_tracks_there_is_one_event_for_each_label() -> None:
    story = Story(track=False)
    story.see(objects(Thing(-1, 10), Thing(-1, 90, score=0.95), Thing(-1, label="dog")), 3)
    story.see(NOBODY, 5)
    assert [(event.phase, event.label, event.track_id) for event in story.events] == [
        ("start", "person", None),
        ("start", "dog", None),
        ("end", "person", None),
        ("end", "dog", None),
    ]
    assert story.events[0].top_score == pytest.approx(0.95)


def test_the_label_is_what_most_of_what_was_seen_says() -> None:
    story = Story(update_s=0.0)
    story.see(objects(Thing(label="truck", score=0.5)))
    story.see(objects(Thing(label="car")), 3)
    story.see(objects(Thing(label="truck", score=0.5)))
    (end,) = story.end()
    assert end.label == "car"


def test_it_begins_with_min_score_and_goes_on_with_keep_score() -> None:
    story = Story(min_score=0.6, keep_score=0.4)
    for score in (0.5, 0.59, 0.61, 0.45, 0.41, 0.39, 0.39, 0.39, 0.39, 0.5):
        story.see(objects(Thing(score=score)))
    assert story.told == ["object start", "object end"]
    assert [event.frame for event in story.events] == [2, 8]


@pytest.mark.parametrize(("settings", "frame"), [({"confirm": 3}, 6), ({"confirm_s": 0.3}, 7), ({}, 0)])
def test_it_is_confirmed_by_results_in_a_row(settings: dict[str, Any], frame: int) -> None:
    story = Story(**settings)
    story.see(SOMEBODY, 2)
    story.see(NOBODY, 2)
    story.see(SOMEBODY, 6)
    (start,) = story.events[:1]
    assert start.frame == frame
    assert start.started_at == pytest.approx(1_700_000_000.0 + (0.4 if settings else 0.0))


def test_changes_are_told_so_often_and_only_if_there_are_any() -> None:
    story = Story(update_s=1.0)
    story.see(SOMEBODY, 30)
    assert story.told == ["object start"]
    story.see(objects(Thing(score=0.95)), 5)
    story.see(objects(Thing(score=0.99)), 5)  # better again, but too soon
    story.see(objects(Thing(x=60, score=0.5)), 20)
    assert [(event.phase, event.frame, round(event.top_score or 0, 2)) for event in story.events[1:]] == [
        ("update", 30, 0.95),
        ("update", 40, 0.99),
    ]
    story.see(objects(Thing(x=70, score=0.5)), 5)
    assert story.events[-1].box == (65.0, 40.0, 75.0, 50.0)
    silent = Story(update_s=None)
    silent.see(SOMEBODY)
    silent.see(objects(Thing(x=90, score=1.0)), 100)
    assert silent.told == ["object start"]


def test_of_too_many_starts_those_that_last_are_told_later_and_the_others_counted() -> None:
    story = Story(max_per_minute=2)
    for track in range(5):
        story.see(objects(Thing(track)))
        story.see(NOBODY, 5)
    assert story.told == ["object start", "object end"] * 2
    story.see(objects(Thing(9)), 600)  # until a minute after the first
    assert [event.phase for event in story.events[4:]] == ["start"]
    late = story.events[4]
    assert late.counts == {"suppressed": 3}
    assert late.duration_s == pytest.approx(60.0 - 3.0)
    story.see(objects(Thing(9), Thing(10)), 300)
    assert story.events[-1].counts == {}
    assert story.events[-1].track_id == 10


def test_only_the_labels_and_kinds_that_are_wanted_are_told() -> None:
    yard = {"yard": ZoneSettings(polygon=((0, 0), (1, 0), (1, 1), (0, 1)))}
    story = Story(labels=("person",))
    story.see(objects(Thing(1), Thing(2, label="dog")), 3)
    assert [event.label for event in story.events] == ["person"]
    story = Story(yard, kinds=("zone",), labels=("dog",))
    story.see(objects(Thing(1), Thing(2, label="dog")), 5)
    assert story.told == ["zone start yard"]
    assert story.events[0].counts == {"dog": 1}


def test_classes_are_events_by_label_and_an_end_needs_a_result_that_lacks_them() -> None:
    story = Story()
    story.see(classes(speech=0.4, music=0.7), 2)
    story.see(classes(speech=0.9, music=0.6), 2)
    story.see(classes(speech=0.9, music=0.1), 5)
    assert [(event.kind, event.phase, event.label) for event in story.events] == [
        ("class", "start", "music"),
        ("class", "start", "speech"),
        ("class", "end", "music"),
    ]


def test_an_anomaly_begins_at_its_own_threshold() -> None:
    story = Story(confirm=2)
    for score in (1.9, 2.0, 1.9, 2.5, 3.0, 1.9, 1.9, 1.9, 1.9):
        story.see(anomaly(score))
    assert story.told == ["anomaly start", "anomaly end"]
    assert (story.events[0].frame, story.events[0].label, story.events[1].top_score) == (4, "anomaly", 3.0)
    story = Story(min_score=1.5)  # of the threshold
    story.see(anomaly(2.9))
    story.see(anomaly(3.0))
    assert [event.frame for event in story.events] == [1]


def body(score: float | None) -> Keypoints:
    return Keypoints(np.zeros((2, 2), np.float32), np.array([0.4, 0.8], np.float32), ("a", "b"), score)


@pytest.mark.parametrize(
    ("prediction", "labels"),
    [
        (body(0.7), ["test"]),
        (body(None), ["test"]),
        (body(0.3), []),
        (Embedding(np.ones(2, np.float32), classes(anna=0.8)), ["anna"]),
        (Embedding(np.ones(2, np.float32)), []),
        (Mask(np.array([[0, 1], [1, 1]], np.uint8), ("sky", "water")), ["water"]),
        (Measurements(np.ones(1, np.float32), ("age",), ("a",)), []),
    ],
)
def test_other_predictions_are_classes_where_that_means_something(prediction: Prediction, labels: list[str]) -> None:
    story = Story()
    story.see(prediction, 2)
    assert [event.label for event in story.events] == labels


def test_heads_of_a_model_are_told_apart() -> None:
    said = classes(open=0.9, shut=0.8)
    said = type(said)(said.class_ids, said.scores, said.labels, ("door", "window"))
    story = Story()
    story.see(said)
    assert [event.label for event in story.events] == ["door: open", "window: shut"]


def test_a_wall_clock_that_jumps_changes_no_duration_and_no_id() -> None:
    story = Story()
    story.see(SOMEBODY, 5)
    story.see(SOMEBODY, 5, wall=1_000.0)
    story.see(NOBODY, 5, wall=2_000_000_000.0)
    assert story.told == ["object start", "object end"]
    assert story.events[1].duration_s == pytest.approx(0.9)


def test_a_file_that_begins_anew_gives_no_negative_duration_and_loses_no_end() -> None:
    story = Story()
    for _ in range(3):
        for media_s in (0.0, 0.1, 0.2, 0.3):
            story.see(SOMEBODY, media_s=media_s)
    story.see(NOBODY, media_s=0.0)
    for media_s in (0.1, 0.2, 0.3):
        story.see(NOBODY, media_s=media_s)
    assert story.told == ["object start", "object end"]
    assert story.events[1].duration_s == pytest.approx(0.9)


def test_the_same_results_give_the_same_ids_and_others_do_not() -> None:
    def ids(wall: float) -> list[str]:
        story = Story()
        story.see(objects(Thing(1), Thing(2)), wall=wall)
        return [event.id for event in story.events]

    assert ids(1000.0) == ids(1000.0) == ["1000.000000-door-1", "1000.000000-door-2"]
    assert not set(ids(1000.0)) & set(ids(1000.000001))


def test_after_a_loss_all_begins_anew() -> None:
    story = Story()
    story.see(SOMEBODY, 3)
    assert phases(story.end("lost")) == ["object end"]
    story.see(SOMEBODY, 3)
    assert story.told == ["object start", "object end", "object start"]


def test_before_the_first_result_nothing_ends() -> None:
    assert Story().end("stopped") == []


def test_a_number_that_is_none_begins_nothing() -> None:
    story = Story()
    story.see(anomaly(float("nan")), 5)
    assert story.told == []


PLACES = {
    "zones": {"yard": ZoneSettings(polygon=((0.2, 0.2), (0.8, 0.2), (0.8, 0.8)), inertia=2, dwell_s=0.2)},
    "lines": {"gate": LineSettings(points=((0.5, 0.0), (0.5, 1.0)))},
}
THINGS = st.lists(
    st.builds(
        Thing,
        st.integers(-1, 4),
        st.floats(-20, 120),
        st.floats(-20, 120),
        st.sampled_from(["person", "dog"]),
        st.floats(0.0, 1.0),
    ),
    max_size=4,
    unique_by=lambda thing: thing.track,
)
SHOWN = st.one_of(
    THINGS.map(lambda things: objects(*things)),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1), max_size=3).map(lambda scores: classes(**scores)),
    st.floats(0, 5).map(anomaly),
    st.none(),
)
STREAM = st.lists(
    st.one_of(st.tuples(SHOWN, st.floats(-1.0, 3.0)), st.sampled_from(["lost", "restart"])), min_size=1, max_size=40
)
SETTINGS = st.fixed_dictionaries(
    {
        "hold_s": st.sampled_from([0.0, 0.3, 2.0]),
        "confirm": st.integers(1, 3),
        "update_s": st.sampled_from([None, 0.0, 1.0]),
        "max_per_minute": st.sampled_from([None, 1, 3]),
        "track": st.booleans(),
        "min_score": st.sampled_from([None, 0.4]),
    }
)


def check(events: list[Event]) -> None:
    """Each start has one end, after it; updates lie between; ids and durations are in order."""
    going: dict[str, Event] = {}
    seen: set[str] = set()
    for event in events:
        before = going.get(event.id)
        assert event.duration_s >= 0.0
        if event.phase == "start":
            assert event.id not in seen
            going[event.id] = event
        elif event.kind == "line":
            assert event.phase == "end"
            assert event.id not in seen
        else:
            assert before is not None, "nothing goes on that has not begun"
            assert (event.kind, event.where, event.started_at) == (before.kind, before.where, before.started_at)
            assert event.duration_s >= before.duration_s
            assert (event.top_score or 0) >= (before.top_score or 0)
            going[event.id] = event
        if event.phase == "end":
            going.pop(event.id, None)
        seen.add(event.id)
    assert not going, "each start has an end"


@given(STREAM, SETTINGS)
def test_whatever_comes_each_start_has_one_end(stream: list[Any], settings: dict[str, Any]) -> None:
    happenings = Happenings("door", EventSettings(**settings), PLACES["zones"], PLACES["lines"])  # type: ignore[arg-type]
    events: list[Event] = []
    at_s = 0.0
    for number, step in enumerate(stream):
        if isinstance(step, str):
            events += happenings.end("lost")
            continue
        prediction, passed_s = step
        at_s = max(0.0, at_s + passed_s)  # it may go back
        events += happenings(result(at_s, prediction, number, wall=1000.0 * (number % 3)))
    events += happenings.end("stopped")
    check(events)


def test_a_prediction_of_another_kind_in_between_ends_nothing() -> None:
    story = Story()
    story.see(SOMEBODY)
    story.see(classes(a=0.9), 10)
    assert story.told == ["object start", "class start"]
