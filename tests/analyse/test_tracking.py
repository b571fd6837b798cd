"""Objects that are followed keep their number."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer import config
from edge_infer.analyse.track_settings import TrackSettings
from edge_infer.analyse.tracking import Tracker
from edge_infer.errors import ConfigError
from edge_infer.types import Array, Detections

SIZE = 640, 480
Box = tuple[float, float, float, float]


def seen(*boxes: Box, scores: Sequence[float] | None = None, classes: Sequence[int] | None = None) -> Detections:
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.array([0.9] * n if scores is None else scores, np.float32),
        np.array([0] * n if classes is None else classes, int),
        tuple(str(one) for one in classes or [0] * n),
    )


def at(x: float, y: float = 200.0, width: float = 40.0, height: float = 100.0) -> Box:
    """A box by its centre."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def ids(detections: Detections) -> list[int]:
    assert detections.track_ids is not None
    return [int(one) for one in detections.track_ids]


def follow(tracker: Tracker, frames: Iterable[Detections], fps: float = 10.0, start_s: float = 0.0) -> list[list[int]]:
    return [ids(tracker(frame, start_s + number / fps, SIZE)) for number, frame in enumerate(frames)]


def make(**settings: object) -> Tracker:
    return Tracker(config.from_options(TrackSettings, settings, "track"))


# What happens to objects


def test_an_object_gets_a_number_when_enough_frames_have_shown_it() -> None:
    frames = [seen(at(100 + 4 * k)) for k in range(5)]
    assert follow(make(), frames) == [[-1], [1], [1], [1], [1]]
    assert follow(make(confirm=1), frames) == [[1]] * 5
    assert follow(make(confirm=4), frames) == [[-1], [-1], [-1], [1], [1]]


def test_two_who_cross_keep_their_numbers() -> None:
    # Both walk 60 px/s; where one hides the other only one box is left.
    both = [(100 + 6 * k, 400 - 6 * k) for k in range(51)]
    frames = [seen(at(a), at(b, 205)) if abs(a - b) > 18 else seen(at(a)) for a, b in both]
    said = follow(make(), frames)
    assert said[5] == said[-1] == [1, 2]


def test_who_passes_behind_something_keeps_the_number() -> None:
    frames = [seen() if 20 <= k < 32 else seen(at(100 + 6 * k)) for k in range(50)]
    said = follow(make(), frames)
    assert {one for frame in said[1:] for one in frame} == {1}


def test_a_detector_that_flickers_does_not_make_new_objects() -> None:
    random = np.random.default_rng(3)
    frames = [seen(at(320 + random.normal(0, 2))) if random.random() < 0.5 else seen() for _ in range(200)]
    assert {one for frame in follow(make(), frames)[10:] for one in frame} == {1}


def test_who_stands_for_an_hour_keeps_the_number() -> None:
    random = np.random.default_rng(4)
    frames = [
        seen() if random.random() < 0.3 else seen(at(*random.normal((320, 200), 3), *random.normal((40, 100), 3)))
        for _ in range(3600)
    ]
    said = follow(make(max_missed_s=10), frames, fps=1.0)
    assert {one for frame in said[20:] for one in frame} == {1}


def test_who_is_away_for_too_long_comes_back_as_another() -> None:
    tracker = make(max_missed_s=1.5)
    there = [seen(at(320))] * 5
    assert follow(tracker, there)[-1] == [1]
    assert follow(tracker, [seen()] * 14, start_s=0.5) == [[]] * 14
    assert follow(tracker, there, start_s=1.9)[0] == [1]
    assert follow(tracker, [seen()] * 16, start_s=2.4) == [[]] * 16
    assert tracker.followed == set()
    assert follow(tracker, there, start_s=4.0)[-1] == [2]


def test_while_no_frame_comes_nobody_is_missed() -> None:
    """A gate leaves out frames in which nothing moves."""
    tracker = make(max_missed_s=1.0)
    follow(tracker, [seen(at(100), at(320), at(500))] * 5)
    assert tracker.followed == {1, 2, 3}
    assert ids(tracker(seen(at(502), at(101), at(318)), 900.0, SIZE)) == [3, 1, 2]


def test_who_walks_out_of_the_picture_gives_the_place_to_others() -> None:
    tracker = make(max_missed_s=60)
    follow(tracker, [seen(at(560 + 8 * k)) for k in range(10)])
    follow(tracker, [seen()] * 8, start_s=1.0)
    assert tracker.followed == set()
    assert follow(tracker, [seen(at(600 - 8 * k)) for k in range(3)], start_s=2.0)[-1] == [2]


def test_a_false_alarm_gets_no_number_however_often_others_come() -> None:
    random = np.random.default_rng(5)
    far = [at(*random.uniform((50, 60), (590, 420))) for _ in range(40)]
    frames = [seen(at(320), box) if k % 5 == 0 else seen(at(320)) for k, box in enumerate(far)]
    said = follow(make(confirm=3), frames)
    assert max(one for frame in said for one in frame) == 1


def test_a_low_score_goes_on_but_does_not_begin() -> None:
    tracker = make(min_score=0.5)
    weak = [seen(at(100), at(500), scores=[0.3, 0.3])] * 4
    assert follow(tracker, weak) == [[-1, -1]] * 4
    assert follow(tracker, [seen(at(100))] * 3, start_s=0.5)[-1] == [1]
    assert follow(tracker, weak, start_s=1.0)[-1] == [1, -1]


def test_a_low_score_takes_no_object_from_a_high_one() -> None:
    tracker = make()
    follow(tracker, [seen(at(100))] * 5)
    assert ids(tracker(seen(at(100), at(104), scores=[0.4, 0.9]), 0.5, SIZE)) == [-1, 1]


def test_classes_are_followed_apart_unless_they_may_change() -> None:
    van = [seen(at(100 + 3 * k), classes=[2 + (k // 4) % 2]) for k in range(12)]
    assert len({one for frame in follow(make(), van) for one in frame} - {-1}) > 1
    assert {one for frame in follow(make(agnostic=True), van)[1:] for one in frame} == {1}


def test_where_classes_may_change_the_same_one_is_preferred() -> None:
    tracker = make(agnostic=True)
    follow(tracker, [seen(at(100), at(110), classes=[0, 1])] * 5)
    assert ids(tracker(seen(at(106), at(104), classes=[0, 1]), 0.5, SIZE)) == [1, 2]


def test_numbers_are_not_given_twice_when_time_goes_back() -> None:
    tracker = make()
    there = [seen(at(100))] * 3
    assert follow(tracker, there, start_s=50)[-1] == [1]
    assert follow(tracker, there, start_s=0)[-1] == [2]
    tracker.forget()
    assert follow(tracker, there, start_s=1)[-1] == [3]


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0, 60.0])
def test_the_frame_rate_does_not_matter(fps: float) -> None:
    """A walker of 100 px who goes 60 px a second; at 1 fps no two boxes overlap."""
    frames = [seen(at(40 + 60 * k / fps)) for k in range(int(9 * fps))]
    assert {one for frame in follow(make(), frames, fps)[1:] for one in frame} == {1}


def test_rows_that_are_not_numbers_are_left_alone() -> None:
    tracker = make(confirm=1)
    odd = seen(at(100), (np.nan, 0, 1, 1), (0, 0, np.inf, 1), at(200), scores=[0.9, 0.9, 0.9, np.nan])
    assert follow(tracker, [odd] * 3) == [[1, -1, -1, -1]] * 3


def test_an_empty_a_huge_and_a_tiny_box_are_followed_beside_each_other() -> None:
    frame = seen((300, 200, 300, 200), (-1e6, -1e6, 1e6, 1e6), (10, 10, 10.5, 10.5))
    with np.errstate(all="raise", under="ignore"):
        said = follow(make(), [frame] * 20)
    assert sorted(said[1]) == [1, 2, 3]
    assert said[1:] == [said[1]] * 19


def test_what_else_is_known_of_an_object_stays_with_it() -> None:
    n = 2
    whole = Detections(
        np.array([at(100), at(300)], np.float32),
        np.full(n, 0.9, np.float32),
        np.zeros(n, int),
        ("a", "b"),
        keypoints=np.arange(n * 2, dtype=np.float32).reshape(n, 1, 2),
        keypoint_names=("nose",),
        keypoint_scores=np.ones((n, 1), np.float32),
        corners=np.arange(n * 8, dtype=np.float32).reshape(n, 4, 2),
        masks=(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)),
    )
    said = make(confirm=1)(whole, 0.0, SIZE)
    for name in ("boxes", "scores", "class_ids", "labels", "keypoints", "keypoint_scores", "corners", "masks"):
        assert getattr(said, name) is getattr(whole, name)
    assert [one.track_id for one in said] == [1, 2]
    assert whole.track_ids is None


def test_three_hundred_objects_keep_their_numbers() -> None:
    places = [(20 + 30 * (k % 20), 15 + 30 * (k // 20)) for k in range(300)]
    random = np.random.default_rng(6)
    frames = [seen(*(at(*(random.normal(p, 1)), 20, 20) for p in places)) for _ in range(10)]
    said = follow(make(), frames)
    assert sorted(said[1]) == list(range(1, 301))
    assert all(frame == said[1] for frame in said[1:])


def test_what_a_configuration_must_not_say_is_refused() -> None:
    for text in ("{min_score: 1.5}", "{confirm: 0}", "{max_missed_s: 0}", "{max_mised_s: 1}"):
        with pytest.raises(ConfigError):
            config.parse(text, TrackSettings)


# Properties


@st.composite
def films(draw: st.DrawFn) -> list[tuple[float, Array, Array, Array]]:
    """Frames of anything: seconds, boxes, scores, classes."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    places = random.uniform((0, 0), SIZE, (draw(st.integers(0, 8)), 2))
    speeds = random.normal(0, 40, places.shape)
    sides = np.exp(random.uniform(0, 5.5, places.shape))
    frames, at_s = [], 0.0
    for _ in range(draw(st.integers(1, 12))):
        at_s += float(random.choice([0.0, 0.03, 0.1, 0.5, 30.0]))
        there = random.random(len(places)) < 0.8
        centres = (places + at_s % 5 * speeds + random.normal(0, 3, places.shape))[there]
        boxes = np.concatenate([centres - sides[there] / 2, centres + sides[there] / 2], axis=1).astype(np.float32)
        scores = random.uniform(0.2, 1, len(boxes)).astype(np.float32)
        frames.append((at_s, boxes, scores, random.integers(0, 2, len(boxes))))
    return frames


def played(
    film: list[tuple[float, Array, Array, Array]], scale: float = 1.0, order: np.random.Generator | None = None
) -> list[list[int]]:
    """Numbers of each frame, by the order in which the film has its rows."""
    tracker, said = Tracker(TrackSettings()), []
    for at_s, boxes, scores, classes in film:
        rows = order.permutation(len(boxes)) if order else np.arange(len(boxes))
        frame = Detections(boxes[rows] * scale, scores[rows], classes[rows], ("x",) * len(rows))
        answer = tracker(frame, at_s, (int(640 * scale), int(480 * scale)))
        assert answer.track_ids is not None
        assert answer.boxes is frame.boxes
        assert np.isfinite(tracker._tracks["box"]["value"]).all()
        assert (tracker._tracks["box"]["value_variance"] > 0).all()
        numbers = np.full(len(rows), -2)
        numbers[rows] = answer.track_ids
        said.append([int(one) for one in numbers])
        assert set(said[-1]) - {-1} <= tracker.followed
    return said


@given(films())
def test_no_number_is_twice_in_a_frame_and_all_count_from_one(film: list[tuple[float, Array, Array, Array]]) -> None:
    said = played(film)
    for frame in said:
        named = [one for one in frame if one != -1]
        assert len(named) == len(set(named))
    given_ = {one for frame in said for one in frame} - {-1}
    assert given_ == set(range(1, len(given_) + 1))


@given(films(), st.integers(0, 2**32))
def test_the_order_of_the_rows_does_not_matter(film: list[tuple[float, Array, Array, Array]], seed: int) -> None:
    assert played(film) == played(film) == played(film, order=np.random.default_rng(seed))


@given(films(), st.sampled_from([2.0, 4.0]))
def test_the_size_of_the_picture_does_not_matter(film: list[tuple[float, Array, Array, Array]], scale: float) -> None:
    assert played(film) == played(film, scale)
