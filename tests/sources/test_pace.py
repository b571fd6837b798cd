from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.sources.pace import Backlog, Metronome, RateLimit

SECOND_NS = 1_000_000_000


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.mark.parametrize(
    ("camera_fps", "max_fps", "admitted"), [(30, 10, 100), (25, 10, 100), (30, 30, 300), (15, 30, 150), (30, 0.5, 5)]
)
def test_a_rate_limit_admits_the_wanted_rate_on_average(camera_fps: int, max_fps: float, admitted: int) -> None:
    limit = RateLimit(max_fps)
    times = [SECOND_NS + n * SECOND_NS // camera_fps for n in range(10 * camera_fps)]
    assert sum(map(limit.admits, times)) == pytest.approx(admitted, abs=1)


def test_a_camera_that_jitters_at_just_the_limit_loses_no_frame() -> None:
    limit = RateLimit(10)
    times = [SECOND_NS + n * SECOND_NS // 10 + (5_000_000 if n % 2 else -3_000_000) for n in range(50)]
    assert all(map(limit.admits, times))


def test_no_limit_admits_all() -> None:
    limit = RateLimit(None)
    assert all(limit.admits(SECOND_NS) for _ in range(10))


@given(gaps=st.lists(st.integers(1, 3 * SECOND_NS), min_size=1, max_size=200), max_fps=st.floats(0.2, 60))
def test_a_rate_limit_never_admits_more_than_its_rate(gaps: list[int], max_fps: float) -> None:
    limit = RateLimit(max_fps)
    times = list(accumulate(gaps, initial=SECOND_NS))
    admitted = sum(map(limit.admits, times))
    assert admitted <= (times[-1] - times[0]) / SECOND_NS * max_fps + 1 + 0.2


@pytest.mark.parametrize("fps", [15.0, 0.0, 90_000.0])
def test_frames_that_come_without_a_wait_are_backlog_until_one_had_to_be_waited_for(fps: float) -> None:
    backlog = Backlog(fps, longest=60.0)
    waits = [0.0, 0.001, 0.003, 0.050, 0.0, 0.0]
    assert [backlog.holds(waited) for waited in waits] == [True, True, True, False, False, False]


def test_a_backlog_that_does_not_end_is_given_up() -> None:
    assert not Backlog(15.0, longest=0.0).holds(0.0)


def test_a_metronome_does_not_drift() -> None:
    clock = Clock()
    metronome = Metronome(10, clock, clock.sleep)
    for beat in range(1000):
        assert metronome.wait() == beat
        clock.now += 0.03  # the reader's own work
    assert clock.now == pytest.approx(1000.0 + 999 / 10 + 0.03)


def test_a_late_reader_of_a_metronome_gets_the_present_beat() -> None:
    clock = Clock()
    metronome = Metronome(10, clock, clock.sleep)
    metronome.wait()
    clock.now += 0.57
    assert [(metronome.wait(), metronome.missed), (metronome.wait(), metronome.missed)] == [(5, 4), (6, 0)]
    assert clock.now == pytest.approx(1000.6)


def test_beats_before_the_first_wait_are_not_missed() -> None:
    clock = Clock()
    metronome = Metronome(10, clock, clock.sleep)
    clock.now += 0.57
    assert (metronome.wait(), metronome.missed) == (5, 0)
