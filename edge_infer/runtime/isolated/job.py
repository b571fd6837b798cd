"""A model that somebody wants to run on accelerators, and how long it takes there."""

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_infer.bundle.model_file import ModelFile
from edge_infer.errors import ModelError
from edge_infer.runtime.interpreter import VARIABLE
from edge_infer.runtime.isolated.messages import Loaded

DEADLINE_S = 1.0  # at least: a Pi that swaps or an SD card that stalls is no hang
DEADLINE_P99S = 20.0  # slower than this many times the usual is one
KEPT_TIMES = 256  # of the last inferences

_numbers = itertools.count(1)


@dataclass(eq=False)
class Job:
    """A model that somebody wants to run on accelerators; `alone`: nothing else can run it meanwhile."""

    model: ModelFile
    threads: int
    deadline_s: float | None
    alone: bool
    shapes: tuple[tuple[int, ...], ...] = ()
    number: int = field(default_factory=lambda: next(_numbers))
    about: Loaded | None = None  # as it was loaded first
    refused: ModelError | None = None  # the model is to blame
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_TIMES))

    @property
    def remembers(self) -> bool:
        """Its answers depend on what it was given before: it has one user, and stays where it is."""
        return VARIABLE in self.model.operators

    def deadline(self) -> float:
        """Seconds after which there will be no answer."""
        if self.deadline_s is not None:
            return self.deadline_s
        usual = max([self.about.run_s if self.about else 0.0, share(self.times_s, 0.99)])
        return max(DEADLINE_S, DEADLINE_P99S * usual)


def share(times: Iterable[float], wanted: float) -> float:
    """The time that a share (0..1) of all stay within; 0 where there is none."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(wanted * len(ordered)))] if ordered else 0.0
