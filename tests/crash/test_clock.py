"""The wall clock is wrong and jumps: nothing is lost, nothing is too old, and times are mended where they can be."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import Mosquitto
from chain import Chain
from machine import kept
from wall_clock import WallClock

from edge_infer.tools.local_broker import free_port

DAY = 86_400.0
SURE_S = 120.0  # of a time that was mended: it is right, not 1970


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def chain(tmp_path: Path, mosquitto: Mosquitto, clock: WallClock) -> Iterator[Chain]:
    with Chain(tmp_path, mosquitto.port, environment=clock.environment) as chain:
        yield chain


def test_a_device_that_boots_in_1970_loses_nothing_and_its_times_are_mended(chain: Chain, clock: WallClock) -> None:
    clock.jump_to_1970()
    chain.device.start()
    chain.accepts(100)
    clock.jump(0.0)
    chain.accepts(100)
    proof = chain.ends()
    assert proof.holds("strict"), proof
    rows = chain.select("SELECT clock, time, true_time FROM results")
    assert {clock for clock, _, _ in rows} == {"synced", "unsynced"}
    for state, said, true in rows:
        assert (said < DAY) == (state == "unsynced")
        assert abs(true - time.time()) < SURE_S


def test_a_clock_that_goes_back_a_day_loses_nothing(chain: Chain, clock: WallClock) -> None:
    chain.device.start()
    for jump in (-DAY, 0.0):
        chain.accepts(100)
        clock.jump(jump)
    chain.accepts(100)
    proof = chain.ends()
    assert proof.holds("strict"), proof
    assert proof.rows == proof.made > 0


def test_after_a_kill_in_1970_and_a_start_in_the_present_all_is_accounted_for(chain: Chain, clock: WallClock) -> None:
    clock.jump_to_1970()
    chain.device.start()
    chain.accepts(100)
    chain.device.kill()
    clock.jump(0.0)
    chain.device.start()
    chain.accepts(100)
    proof = chain.ends()
    assert proof.holds("relaxed"), proof
    epochs = [line.epoch for line in chain.log()]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 2


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_what_was_just_made_is_not_too_old_because_the_clock_jumps(
    tmp_path: Path, clock: WallClock, jump: float
) -> None:
    options = {"max_age_s": 3600.0, "commit_s": 0.1, "drain_s": 0.0}
    chain = Chain(tmp_path, free_port(), options=options, environment=clock.environment)  # no broker, no collector
    try:
        chain.device.start()
        chain.accepts(100)
        clock.jump(jump)
        chain.accepts(200)
        chain.device.ask_to_end()
        chain.device.end(30.0)
    finally:
        chain.device.kill()
    frames, gaps = kept(tmp_path / "device-1" / "state" / "outbox-device-1.db")
    assert not gaps
    assert frames == {(line.epoch, line.seq): line.frame for line in chain.log()}
