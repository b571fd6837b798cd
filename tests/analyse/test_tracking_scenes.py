"""The scenes and figures of scripts/bench-tracking, and that the tracker does as well as is said."""

import numpy as np
import pytest
from bench_tracking.metrics import Score, score
from bench_tracking.scenes import HEIGHT, WIDTH, Scene, make_scene

from edge_infer.analyse.track_settings import TrackSettings
from edge_infer.analyse.tracking import Tracker
from edge_infer.types import Array, Detections


def boxes(*rows: tuple[int, int, float]) -> Array:
    """Rows frame, id, box of boxes 10 px wide that begin at x."""
    return np.array([(frame, name, x, 0, x + 10, 10) for frame, name, x in rows], float).reshape(-1, 6)


TRUTH = boxes(*((frame, name, 100 * name + frame) for frame in range(4) for name in (1, 2)))


def test_what_is_right_scores_one() -> None:
    said = TRUTH.copy()
    said[:, 1] += 40
    assert score(TRUTH, said) == Score(truths=8, said=8, same=8)
    assert score(TRUTH, said).mota == score(TRUTH, said).idf1 == 1


def test_misses_false_alarms_and_switches_are_counted() -> None:
    said = boxes(
        *((0, 1, 100), (1, 1, 101), (2, 2, 102), (3, 2, 103)),  # the first changes its number at 2
        *((0, 3, 200), (3, 3, 203)),  # the second is missed twice
        (1, 9, 500),  # and this is nothing
    )
    found = score(TRUTH, said)
    assert (found.missed, found.false, found.switches) == (2, 1, 1)
    assert found.mota == 1 - 4 / 8
    assert found.same == 4
    assert found.idf1 == 2 * 4 / (8 + 7)


def test_a_pair_that_still_overlaps_stays_a_pair() -> None:
    """CLEAR-MOT: another track that overlaps more makes no switch."""
    truth = boxes((0, 1, 0), (1, 1, 0))
    said = boxes((0, 1, 0), (1, 1, 3), (1, 2, 0))
    assert score(truth, said) == Score(truths=2, said=3, false=1, same=2)


def test_nothing_said_of_something_and_something_of_nothing() -> None:
    nothing = boxes()
    assert score(TRUTH, nothing).mota == 0
    assert score(nothing, TRUTH).false == 8
    assert score(TRUTH, nothing) + score(nothing, TRUTH) == Score(truths=8, said=8, missed=8, false=8)


def followed(scene: Scene) -> Score:
    tracker, ids = Tracker(TrackSettings()), []
    for frame, at_s in enumerate(scene.at_s.tolist()):
        rows = scene.found[scene.found[:, 0] == frame]
        seen = Detections(rows[:, 1:5], rows[:, 5], np.zeros(len(rows), int), ("person",) * len(rows))
        ids.append(tracker(seen, at_s, (WIDTH, HEIGHT)).track_ids)
    names = np.concatenate(ids)
    named = names >= 0
    return score(scene.truth, np.column_stack([scene.found[named, 0], names[named], scene.found[named, 1:5]]))


def test_a_scene_is_the_same_for_the_same_seed() -> None:
    one, other = make_scene("2 fps", 5), make_scene("2 fps", 5)
    assert (one.truth == other.truth).all()
    assert (one.found == other.found).all()
    assert len(make_scene("2 fps", 6).truth) != len(one.truth)


# A little less than scripts/bench-tracking says of other seeds.
@pytest.mark.parametrize(
    ("name", "mota", "idf1"), [("yard", 0.7, 0.7), ("street 5 fps", 0.65, 0.7), ("2 fps", 0.6, 0.6)]
)
def test_what_is_followed_is_mostly_right(name: str, mota: float, idf1: float) -> None:
    found = followed(make_scene(name, 21)) + followed(make_scene(name, 22))
    assert found.mota > mota
    assert found.idf1 > idf1
