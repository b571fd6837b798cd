"""A disk that is full, read-only or dead for a while costs no result and stops nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import power
import pytest
from chaos_run.loop_disk import LoopDisk
from full_disk import SmallDisk, small_disk
from keeping import Keeping, all_accounted
from waiting import until

FULL, READ_ONLY, DEAD = "full", "readonly", "does not answer"


@contextmanager
def full(disk: SmallDisk) -> Iterator[None]:
    disk.fill()
    yield
    disk.free()


@contextmanager
def read_only(disk: LoopDisk) -> Iterator[None]:
    disk.turn_read_only()
    yield
    disk.replug()


@contextmanager
def dead(disk: LoopDisk) -> Iterator[None]:
    disk.freeze()
    yield
    disk.thaw()


def suffers(folder: Path, state: Path, fault: Callable[[], object], said: str, durability: str, results: int) -> None:
    """Publishes before, during and after a fault of the disk; all of it must arrive."""
    device = Keeping(folder, state, durability=durability)
    device.make(100)
    device.is_well()
    with fault():  # type: ignore[attr-defined]
        device.make(results)
        until(lambda: said in device.trouble, 30.0, f"trouble that names {said!r}")
        device.make(results)
        assert device.adds_up().evicted == 0, "RAM has room for these"
    device.make(100)
    device.is_well()
    stored, given_up = device.deliver()
    assert all_accounted(stored, given_up, 200 + 2 * results)
    assert not given_up
    assert not [thread for thread in threading.enumerate() if thread.name in {"deliver", "outbox"}]


@pytest.mark.parametrize("durability", ["relaxed", "strict"])
def test_a_full_disk_costs_nothing(tmp_path: Path, durability: str) -> None:
    with small_disk(tmp_path, 4096) as disk:
        suffers(tmp_path, disk.path / "state", lambda: full(disk), FULL, durability, 500)


@pytest.mark.parametrize("durability", ["relaxed", "strict"])
def test_a_disk_that_turns_read_only_costs_nothing(tmp_path: Path, durability: str) -> None:
    with power.disk(tmp_path) as disk:
        suffers(tmp_path, disk.path / "state", lambda: read_only(disk), READ_ONLY, durability, 500)


def test_a_disk_that_does_not_answer_costs_nothing(tmp_path: Path) -> None:
    with power.disk(tmp_path) as disk:
        suffers(tmp_path, disk.path / "state", lambda: dead(disk), DEAD, "relaxed", 500)


def test_a_disk_with_little_space_is_left_alone_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path, 4096) as disk:
        device = Keeping(tmp_path, disk.path / "state", min_free_bytes=1_000_000)
        device.make(100)
        device.is_well()
        disk.fill(leave=900_000)
        free = disk.free_bytes
        device.make(500)
        until(lambda: "min_free_bytes" in device.trouble, what="trouble that names the setting")
        device.make(500)
        assert free - disk.free_bytes <= 40_000, "it kept growing"
        disk.free()
        device.is_well()
        stored, given_up = device.deliver()
        assert all_accounted(stored, given_up, 1100)
        assert not given_up


def test_a_device_starts_on_a_full_disk_and_keeps_its_epoch_later(tmp_path: Path) -> None:
    with small_disk(tmp_path, 1024) as disk:
        disk.fill()
        device = Keeping(tmp_path, disk.path / "state")
        device.make(300)
        assert device.trouble
        disk.free()
        device.is_well()
        stored, given_up = device.deliver()
        assert all_accounted(stored, given_up, 300)
        assert not given_up


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("durability", ["relaxed", "strict"])
def test_a_disk_that_is_full_for_long_costs_what_ram_cannot_hold_and_that_is_reported(
    tmp_path: Path, durability: str
) -> None:
    with small_disk(tmp_path, 4096) as disk:
        device = Keeping(tmp_path, disk.path / "state", durability=durability)
        device.make(100)
        device.is_well()
        disk.fill()
        made = 100
        for _ in range(60):
            device.make(1000)
            made += 1000
        health = device.adds_up()
        assert health.trouble
        assert health.evicted > 0
        assert health.held_bytes <= 16_000_000 + 64_000
        disk.free()
        until(lambda: not device.trouble, 60.0, "the end of the trouble")
        stored, given_up = device.deliver()
        assert all_accounted(stored, given_up, made)
        assert given_up.count == health.evicted
