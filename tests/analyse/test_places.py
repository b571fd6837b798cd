"""Zones that objects are in, lines that they cross. The picture is 100x100, boxes are 10x10."""

import itertools
import random
from typing import Any

import pytest
from happened import Story, Thing, objects
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.analyse.places import CLEAR
from edge_infer.analyse.settings import LineSettings, ZoneSettings

RIGHT = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))  # half of the picture
UPWARDS = ((0.5, 1.0), (0.5, 0.0))
NOBODY = objects()


def yard(**settings: Any) -> dict[str, ZoneSettings]:
    return {"yard": ZoneSettings(polygon=RIGHT, **settings)}


def gate(**settings: Any) -> dict[str, LineSettings]:
    return {"gate": LineSettings(**{"points": UPWARDS, **settings})}


def along(*xs: float, y: float = 50.0) -> list[tuple[float, float]]:
    return [(x, y) for x in xs]


def test_who_enters_a_zone_and_leaves_it_is_told_after_three_results() -> None:
    story = Story(yard())
    story.walk(along(40, 45, 60, 65, 70, 75, 80, 40, 30, 20, 10))
    assert story.told == ["object start", "zone start yard", "zone end yard"]
    enter, leave = story.events[1:]
    assert (enter.frame, leave.frame) == (4, 9)
    assert enter.started_at == pytest.approx(1_700_000_000.2)  # when it came in, not when that was sure
    assert (enter.counts, leave.counts, leave.reason) == ({"person": 1}, {"person": 0}, "gone")
    assert enter.id == leave.id != story.events[0].id


def test_jitter_at_the_border_of_a_zone_is_no_coming_and_going() -> None:
    story = Story(yard())
    chance = random.Random(1)
    story.walk(along(*(50 + chance.choice((-2, 2, 2)) for _ in range(500))))
    turns = story.told.count("zone start yard")
    story = Story(yard(inertia=1))
    chance = random.Random(1)
    story.walk(along(*(50 + chance.choice((-2, 2, 2)) for _ in range(500))))
    assert turns < story.told.count("zone start yard") / 5
    story = Story(yard(), update_s=None)
    story.walk(along(*(48 + 4 * (n % 3 > 0) for n in range(300))))  # never three on one side
    assert story.told == ["object start"]


def test_who_stops_being_seen_in_a_zone_is_held_and_then_has_left_it() -> None:
    story = Story(yard())
    story.walk(along(60, 60, 60, 60))
    story.see(NOBODY, 2)
    story.walk(along(60))
    story.see(NOBODY, 4)
    assert story.told == ["object start", "zone start yard", "zone end yard", "object end"]
    assert story.events[2].duration_s == story.events[3].duration_s == pytest.approx(0.6)


def test_a_zone_counts_by_label_who_is_inside() -> None:
    story = Story(yard())
    story.see(objects(Thing(1, 60), Thing(2, 70), Thing(3, 80, label="dog"), Thing(4, 10)), 3)
    assert [event.counts for event in story.events if event.kind == "zone"] == [{"person": 2, "dog": 1}] * 3
    story.see(objects(Thing(1, 10), Thing(2, 70), Thing(3, 80, label="dog")), 3)
    assert story.events[-1].counts == {"person": 1, "dog": 1}
    assert [event.counts for event in story.end() if event.kind == "zone"] == [{"person": 0}, {"dog": 0}]


def test_only_who_stays_is_told_where_a_zone_wants_that() -> None:
    story = Story(yard(dwell_s=1.0))
    story.walk(along(*[60] * 8, *[40] * 5))
    assert story.told == ["object start"]
    story.walk(along(*[60] * 20))
    (start,) = story.events[1:]
    assert start.kind == "zone"
    assert start.duration_s == pytest.approx(1.0)
    assert start.counts == {"person": 1}


def test_a_zone_has_labels_and_an_anchor_of_its_own() -> None:
    story = Story({"dogs": ZoneSettings(polygon=RIGHT, labels=("dog",))}, labels=("person",))
    story.see(objects(Thing(1, 60), Thing(2, 60, label="dog")), 3)
    assert [(event.kind, event.label, event.counts) for event in story.events] == [
        ("object", "person", {}),
        ("zone", "dog", {"dog": 1}),
    ]
    lower = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
    for anchor, told in (("bottom", 1), ("centre", 0)):
        story = Story({"low": ZoneSettings(polygon=lower, anchor=anchor)})  # type: ignore[arg-type]
        story.see(objects(Thing(y=53)), 5)
        assert story.told.count("zone start low") == told


def test_who_crosses_a_line_is_counted_in_their_direction() -> None:
    story = Story(lines=gate())
    story.walk(along(30, 40, 48, 55, 60, 70))
    story.walk(along(65, 55, 45, 40))
    crossed = [event for event in story.events if event.kind == "line"]
    assert [(event.direction, event.counts, event.frame) for event in crossed] == [
        ("in", {"in": 1, "out": 0}, 3),
        ("out", {"in": 1, "out": 1}, 8),
    ]
    assert [(event.phase, event.where, event.duration_s, event.reason) for event in crossed] == [
        ("end", "gate", 0.0, "")
    ] * 2


def test_a_line_from_top_to_bottom_is_seen_from_the_other_side() -> None:
    story = Story(lines=gate(points=UPWARDS[::-1], directions=("left", "right")))
    story.walk(along(40, 60))
    assert [event.direction for event in story.events if event.kind == "line"] == ["right"]


def test_who_stands_on_a_line_crosses_it_never() -> None:
    chance = random.Random(2)
    edge = CLEAR * 10
    story = Story(lines=gate())
    story.walk(along(30, *(50 + chance.uniform(-edge, edge) * 0.99 for _ in range(1000)), 30))
    assert "line end gate" not in story.told
    story.walk(along(*(50 + chance.uniform(-edge, edge) * 0.99 for _ in range(1000)), 70))
    assert story.told.count("line end gate") == 1


def test_who_is_first_seen_on_a_line_came_from_nowhere() -> None:
    story = Story(lines=gate())
    story.walk(along(49.5, 50.5, 60, 70))
    assert "line end gate" not in story.told


def test_who_walks_around_the_end_of_a_line_does_not_cross_it() -> None:
    short = gate(points=((0.5, 0.5), (0.5, 0.0)))
    story = Story(lines=short)
    story.walk([(30, 30), (30, 70), (70, 70), (70, 30)])
    assert "line end gate" not in story.told
    story.walk([(30, 30)])
    assert story.events[-1].direction == "out"


def test_who_is_lost_and_found_beyond_the_line_has_crossed_it() -> None:
    story = Story(lines=gate())
    story.walk(along(30, 40))
    story.see(NOBODY, 2)
    story.walk(along(60))
    assert story.told == ["object start", "line end gate"]


def test_totals_go_on_where_telling_is_limited_and_after_a_loss() -> None:
    story = Story(lines=gate(), max_per_minute=2)
    story.walk(along(30, 70, 30, 70))
    story.end("lost")
    story.walk(along(30, 70))
    assert story.told == ["object start", "line end gate", "object end"]
    story.frame += 600
    story.walk(along(30))
    assert [event.counts for event in story.events[-2:]] == [{"suppressed": 3}, {"in": 3, "out": 2}]


def test_a_line_may_tell_nothing_and_have_labels_of_its_own() -> None:
    story = Story(lines=gate(labels=("dog",)))
    story.walk(along(30, 70))
    assert story.told == ["object start"]
    story = Story(lines=gate(), kinds=("object",))
    story.walk(along(30, 70))
    assert story.told == ["object start"]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(1, 99)), min_size=1, max_size=60))
def test_who_ends_where_they_began_has_crossed_as_often_in_as_out(way: list[tuple[float, float]]) -> None:
    story = Story(lines=gate(), max_per_minute=None)
    story.walk([(10.0, 50.0), *way, (10.0, 50.0)])
    directions = [event.direction for event in story.events if event.kind == "line"]
    assert directions.count("in") - directions.count("out") == 0
    for one, other in itertools.pairwise(directions):
        assert one != other, "twice in a row is a crossing counted twice"
