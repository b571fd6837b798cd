"""How many cores each pipeline gets: threads and workers where a configuration leaves them open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from edge_infer.plan.points import Profile

MAX_THREADS = 4  # more make the 90th percentile worse sooner than better; a board has four cores
# Models below it gain nothing from a second thread (measured: 12 and 14 kB 1.0 times, 0.5 to 4.2 MB 1.2 to 2.0 times).
SMALL_BYTES = 256_000
FEW_CORES = (
    2  # the source, delivery and the broker need one of them: a second thread would wait for it (docs/tuning.md)
)
Setting: TypeAlias = tuple[int, int]  # threads, workers


@dataclass(frozen=True, slots=True)
class Wish:
    """What a pipeline is to have.

    Attributes:
        threads, workers: as configured; None: to be found
        model_bytes: of the file that runs
        accelerators: that it may use at a time; 0: it runs on the CPU
        remembers: each frame must go to the same worker
        measured: settings, best first; empty: nothing is known
    """

    profile: Profile
    threads: int | None = None
    workers: int | None = None
    model_bytes: int = 0
    accelerators: int = 0
    remembers: bool = False
    measured: tuple[Setting, ...] = field(default=())


def share_out(wishes: Mapping[str, Wish], cores: int) -> dict[str, Setting]:
    """(threads, workers) for each pipeline.

    What is configured stays. The rest is shared fairly: a core for each, then one more for each that can use it, as
    long as there are cores; so the sum is at most `cores`, or one for each.
    """
    wanted = {name: _choices(wish, cores) for name, wish in wishes.items()}
    on_cpu = [name for name, wish in wishes.items() if not wish.accelerators]
    fixed = [name for name in on_cpu if len(wanted[name]) == 1]
    granted = {name: 1 for name in on_cpu if name not in fixed}
    left = cores - sum(_cores(wanted[name][0]) for name in fixed) - len(granted)
    while left > 0 and (open_ := [name for name in granted if granted[name] < _cores(wanted[name][0])]):
        for name in open_[:left]:
            granted[name] += 1
        left -= len(open_)
    return {name: _fitting(wanted[name], granted.get(name)) for name in wishes}


def _choices(wish: Wish, cores: int) -> list[Setting]:
    """Best first; the last one is the least that can be."""
    threads, workers = wish.threads, wish.workers
    if workers is None and (wish.remembers or wish.profile == "latency"):
        workers = 1
    if threads and workers:
        return [(threads, workers)]
    measured = [one for one in wish.measured if one == (threads or one[0], workers or one[1])]
    return [*measured, (threads or 1, workers or 1)] if measured else _by_rule(wish, threads, workers, cores)


def _by_rule(wish: Wish, threads: int | None, workers: int | None, cores: int) -> list[Setting]:
    """What is right for most, where nothing was measured."""
    if wish.accelerators:
        return [(threads or 1, workers or wish.accelerators)]
    if workers is None:
        threads = threads or 1
        return [(threads, number) for number in range(max(1, cores // threads), 0, -1)]
    most = 1
    if wish.profile == "latency" and cores > FEW_CORES and wish.model_bytes >= SMALL_BYTES:
        most = max(1, min(cores // workers, MAX_THREADS))
    return [(number, workers) for number in range(most, 0, -1)]


def _cores(setting: Setting) -> int:
    return setting[0] * setting[1]


def _fitting(choices: list[Setting], cores: int | None) -> Setting:
    """The best that is not more than what was granted; None: nothing was to be shared."""
    if cores is None:
        return choices[0]
    return next((choice for choice in choices if _cores(choice) <= cores), choices[-1])
