"""What goes wrong when: drawn from a seed, before anything runs."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

# What can happen to whom, and for how many seconds. Half-open links last longer than it takes to notice them
# (twice the keep-alive of 5 s) only in part, so that both ends of that are met.
FAULTS: dict[str, dict[str, tuple[float, float]]] = {
    "device": {"kill": (0.0, 1.5), "restart": (0.0, 0.5)},
    "collector": {"kill": (0.0, 3.0), "restart": (0.0, 0.5), "freeze": (0.5, 4.0)},
    "broker": {"kill": (0.0, 1.5), "restart": (0.0, 0.5), "outage": (2.0, 5.0), "freeze": (0.5, 4.0)},
    "database": {"crash": (0.0, 3.0)},
    "link": {
        "reset": (0.0, 0.0),
        "hang up": (0.0, 0.0),
        "refuse": (1.0, 4.0),
        "black hole": (2.0, 12.0),
        "swallow up": (2.0, 12.0),
        "swallow down": (2.0, 12.0),
        "slow": (1.0, 5.0),
        "narrow": (1.0, 5.0),
    },
}
KILL_EVERY_S = 1.2  # a collector starts in half of that
BETWEEN_S = (0.1, 0.9)  # from one fault to the next


Victims: TypeAlias = Mapping[str, Sequence[str]]  # the names of all of a kind


class Step(NamedTuple):
    """One fault: from when to when (seconds after the start), what, and to whom, for example `link 2`."""

    begin: float
    end: float
    what: str
    whom: str


def draw(seed: int, seconds: float, victims: Victims) -> list[Step]:
    """Faults until `seconds`, none twice before all have been; each victim has one at a time.

    Args:
        seed: the same one, the same faults
        seconds: how long
        victims: the names of all of a kind, such as `link: [link 1, link 2]`
    """
    dice = random.Random(seed)
    deck: list[tuple[str, str]] = []
    busy: dict[str, float] = {}
    steps: list[Step] = []
    now = dice.uniform(*BETWEEN_S)
    while now < seconds:
        if not deck:
            deck = [(kind, what) for kind in victims for what in FAULTS[kind]]
            dice.shuffle(deck)
        kind, what = deck.pop()
        free = [name for name in victims[kind] if busy.get(name, 0.0) <= now]
        if free:
            whom = dice.choice(free)
            end = min(now + dice.uniform(*FAULTS[kind][what]), seconds)
            busy[whom] = end
            steps.append(Step(now, end, what, whom))
        now += dice.uniform(*BETWEEN_S)
    return steps


def lose_the_queue(seconds: float, victims: Victims) -> list[Step]:
    """All collectors are down while results go on; then the broker that has queued them is killed."""
    down, killed = seconds * 0.2, seconds * 0.8
    gone = [Step(down, seconds, "kill", name) for name in victims["collector"]]
    return [*gone, Step(killed, killed, "kill", "broker")]


def kill_while_storing(seconds: float, victims: Victims) -> list[Step]:
    """One collector after the other is killed while results flow: what it has in hand must not be acknowledged."""
    moments = [KILL_EVERY_S * number for number in range(1, int(seconds / KILL_EVERY_S))]
    names = itertools.cycle(victims["collector"])
    return [Step(at, at + KILL_EVERY_S / 10, "kill", next(names)) for at in moments]
