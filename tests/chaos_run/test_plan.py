"""The plan of faults: repeatable, and it leaves nothing out."""

import itertools

import pytest
from chaos_run.plan import FAULTS, draw, kill_while_storing, lose_the_queue
from hypothesis import given
from hypothesis import strategies as st

VICTIMS = {
    "device": ["device 1", "device 2", "device 3"],
    "collector": ["collector 1", "collector 2"],
    "broker": ["broker"],
    "link": ["link 1", "link 2", "link 3"],
}


def test_the_same_seed_draws_the_same_faults() -> None:
    assert draw(7, 60.0, VICTIMS) == draw(7, 60.0, VICTIMS) != draw(8, 60.0, VICTIMS)


@given(st.integers(), st.floats(0.0, 200.0))
def test_every_fault_ends_in_time_and_nobody_has_two_at_once(seed: int, seconds: float) -> None:
    busy: dict[str, float] = {}
    for step in draw(seed, seconds, VICTIMS):
        assert 0.0 < step.begin <= step.end <= seconds
        assert step.begin >= busy.get(step.whom, 0.0)
        busy[step.whom] = step.end


@pytest.mark.parametrize("seed", range(5))
def test_two_minutes_hold_every_kind_of_fault_and_spare_nobody(seed: int) -> None:
    steps = draw(seed, 120.0, VICTIMS)
    assert {(step.whom.split()[0], step.what) for step in steps} == {
        (kind, what) for kind in VICTIMS for what in FAULTS[kind]
    }
    assert {step.whom for step in steps} == {name for names in VICTIMS.values() for name in names}


def test_the_queue_is_lost_while_all_collectors_are_away() -> None:
    *collectors, broker = lose_the_queue(10.0, VICTIMS)
    assert (broker.whom, broker.what) == ("broker", "kill")
    assert [step.whom for step in collectors] == VICTIMS["collector"]
    assert all(step.begin < broker.begin and broker.end < step.end for step in collectors)


def test_one_collector_is_always_there_while_the_other_is_killed() -> None:
    steps = kill_while_storing(10.0, VICTIMS)
    assert len(steps) >= 6
    assert {step.whom for step in steps} == set(VICTIMS["collector"])
    assert all(before.end < after.begin for before, after in itertools.pairwise(steps))
