"""The power is cut while results are made and nobody takes them: what was promised is on the disk afterwards."""

import random
import time
from collections import Counter
from pathlib import Path

import power
import pytest
from chaos_run.proof import Accepted
from machine import COMMIT_S, Machine

POWER = "power"  # a gap's reason, as subscribers read it
FROM_THE_CLOCK = 1_000_000_000
SLACK_S = 5.0  # for the transaction itself, on a busy machine


class Losses:
    """What the cuts cost, and the promises that hold for each."""

    def __init__(self, machine: Machine, durability: str) -> None:
        self.lost: set[tuple[int, int]] = set()  # accepted before a cut
        self.oldest_s = 0.0  # how long before its cut the oldest of them was accepted
        self._machine = machine
        self._durability = durability
        self._judged: dict[tuple[int, int], bool] = {}  # of those of earlier cuts: whether it was kept

    def after_a_cut(self, before: list[Accepted], during: list[Accepted], cut_at: float) -> None:
        kept, _ = self._machine.kept()
        for line in [*before, *during]:
            where = line.epoch, line.seq
            assert kept.get(where, line.frame) == line.frame, f"{where} was used for two results"
            assert self._judged.get(where, where in kept) == (where in kept), f"{where} survived an earlier cut only"
        new = [line for line in before if (line.epoch, line.seq) not in self._judged]
        safe = max((line.committed for line in new), default=0)
        for line in new:
            if (line.epoch, line.seq) not in kept:
                assert self._durability == "relaxed", f"{line} was accepted and is lost"
                assert line.seq > safe, f"{line} is lost, though the outbox had said that it is on the disk"
                self.lost.add((line.epoch, line.seq))
                self.oldest_s = max(self.oldest_s, cut_at - line.time)
        assert self.oldest_s <= COMMIT_S + SLACK_S
        self._judged |= {where: where in kept for where in ((line.epoch, line.seq) for line in [*before, *during])}

    def at_the_end(self, taken: list[Accepted]) -> None:
        """Each result is on the disk or in one gap, no number was used twice, and epochs grew.

        But for those that began on a dead disk, and had to take theirs from the clock.
        """
        taken = [line for line in taken if line.epoch < FROM_THE_CLOCK]
        kept, gaps = self._machine.kept()
        assert len({(line.epoch, line.seq) for line in taken}) == len(taken)
        assert [line.epoch for line in taken] == sorted(line.epoch for line in taken)
        assert {gap.reason for gap in gaps} <= {POWER}
        assert all(count == 1 for count in Counter(gap.epoch for gap in gaps).values())
        open_from = {gap.epoch: gap.first for gap in gaps}
        for line in taken:
            in_gap = line.seq >= open_from.get(line.epoch, line.seq + 1)
            assert ((line.epoch, line.seq) in kept) != in_gap, f"{line} is in {'both' if in_gap else 'neither'}"


def cut_again_and_again(folder: Path, durability: str, cuts: int, seed: int) -> Losses:
    dice = random.Random(seed)
    with power.disk(folder, megabytes=200) as disk:
        machine = Machine(folder, disk, durability)
        losses = Losses(machine, durability)
        for number in range(cuts):
            machine.start()
            if number % 4 == 3:
                time.sleep(dice.uniform(0.0, 1.0))  # in the middle of a start
            else:
                machine.accepts(dice.randint(1, 400))
            cut_at = time.monotonic()
            losses.after_a_cut(*machine.loses_power(), cut_at)
        machine.start()
        machine.accepts(1)
        losses.at_the_end(machine.ends())
    return losses


@pytest.mark.parametrize(("durability", "cuts"), [("strict", 5), ("relaxed", 5)])
def test_a_power_cut_costs_no_more_than_was_promised(tmp_path: Path, durability: str, cuts: int) -> None:
    losses = cut_again_and_again(tmp_path, durability, cuts, seed=1)
    assert (durability == "relaxed") == bool(losses.lost), "a cut that costs nothing proves nothing"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("durability", ["strict", "relaxed"])
def test_a_hundred_power_cuts_cost_no_more_than_was_promised(tmp_path: Path, durability: str) -> None:
    losses = cut_again_and_again(tmp_path, durability, 100, seed=2)
    print(f"{durability}: {len(losses.lost)} lost, the oldest {losses.oldest_s:.2f} s before its cut")
