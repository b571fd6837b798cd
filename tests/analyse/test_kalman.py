"""Where boxes will be."""

import numpy as np
import pytest

from edge_infer.analyse import kalman
from edge_infer.types import Array


def state_of(*boxes: tuple[float, float, float, float]) -> Array:
    return kalman.begin(kalman.measured(np.array(boxes, np.float32)))


def test_a_box_is_its_centre_and_its_sides() -> None:
    assert kalman.measured(np.array([[10, 20, 50, 100], [5, 5, 5, 5]])).tolist() == [[30, 60, 40, 80], [5, 5, 1, 1]]


def test_what_moves_evenly_is_expected_where_it_will_be() -> None:
    state = state_of((0, 0, 40, 100))
    for k in range(1, 40):
        kalman.predict(state, 0.1)
        kalman.update(state, np.array([0]), np.array([[20.0 + 5 * k, 50.0, 40.0, 100.0]]))
    kalman.predict(state, 0.5)
    assert state["value"][0] == pytest.approx([20 + 5 * 39 + 25, 50, 40, 100], abs=3)


@pytest.mark.parametrize("steps", [1, 7])
def test_it_does_not_matter_in_how_many_steps_time_passes(steps: int) -> None:
    """Of the process: what drifts is measured in sides of the box, which stay the same here."""
    once, often = state_of((0, 0, 40, 100)), state_of((0, 0, 40, 100))
    for state in (once, often):
        state["speed"][0, :2] = 30, -10
    kalman.predict(once, 3.5)
    for _ in range(steps):
        kalman.predict(often, 3.5 / steps)
    for name in kalman.Boxes.names or ():
        np.testing.assert_allclose(often[name], once[name], rtol=1e-9, atol=1e-9)


def test_who_is_not_seen_goes_on_for_a_while_and_then_stands() -> None:
    state = state_of((0, 0, 40, 100))
    state["speed"][0] = 30, 0, 0, 0
    before = state["value_variance"].copy()
    for _ in range(20):
        kalman.predict(state, 0.1)
    assert state["value"][0, 0] == pytest.approx(20 + 30 * 2, abs=6)
    assert (state["value_variance"][0, :2] > 100 * before[0, :2]).all()
    stands = state.copy()
    kalman.predict(state, 0.1)
    kalman.predict(state, 1000.0)
    for name in ("value", "value_variance"):
        np.testing.assert_allclose(state[name], stands[name])


def test_seen_again_it_goes_on() -> None:
    state = state_of((0, 0, 40, 100))
    kalman.predict(state, 1000.0)
    kalman.update(state, np.array([0]), np.array([[20.0, 50.0, 40.0, 100.0]]))
    state["speed"][0] = 30, 0, 0, 0
    kalman.predict(state, 0.5)
    assert state["value"][0, 0] == pytest.approx(35, abs=1)


def test_no_time_changes_nothing() -> None:
    state = state_of((0, 0, 40, 100), (7, 7, 8, 8))
    before = state.copy()
    kalman.predict(state, 0.0)
    assert (state == before).all()


def test_boxes_do_not_become_empty_when_they_are_expected_to_shrink() -> None:
    state = state_of((0, 0, 40, 100))
    state["speed"][0, 2:] = -1000
    kalman.predict(state, 5.0)
    assert (state["value"][:, 2:] >= kalman.LEAST_PX).all()


def test_who_is_known_well_is_surprised_more_and_preferred_where_it_fits() -> None:
    state = state_of((0, 0, 40, 100), (0, 0, 40, 100))
    for _ in range(30):
        kalman.predict(state[:1], 0.1)
        kalman.update(state, np.array([0]), np.array([[20.0, 50.0, 40.0, 100.0]]))
    kalman.predict(state[1:], 3.0)
    distance, cost = kalman.surprise(state, np.array([[20.0, 50.0, 40.0, 100.0], [60.0, 50.0, 40.0, 100.0]]))
    assert distance[0, 1] > distance[1, 1]
    assert cost[0, 0] < cost[1, 0]
    assert cost[0, 1] > cost[1, 1]


def test_overlap_is_intersection_over_union() -> None:
    state = state_of((0, 0, 10, 10))
    seen = kalman.measured(np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]]))
    assert kalman.overlap(state, seen)[0].tolist() == pytest.approx([1, 1 / 3, 0])
