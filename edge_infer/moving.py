"""Moving models to other devices while they run, where they have become slower than they were measured."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from edge_infer.assigning import Assigned, Moved, assign
from edge_infer.departing import Pace
from edge_infer.errands import Errands
from edge_infer.errors import EdgeInferError
from edge_infer.evidence import Evidence
from edge_infer.model import Model, load_on
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.pipelines import Pipelines
from edge_infer.placing import choice
from edge_infer.plan.present import SLOWER, amounts_to, better, moves, present, times_slower
from edge_infer.plan.solver import Plan, Task
from edge_infer.registry import load_model
from edge_infer.rehearsing import Rehearsing
from edge_infer.reloading import REHEARSE_S

log = logging.getLogger(__name__)

# How often. What is over sooner than half of it (the median counts) is not worth a move.
EVERY_S = 600.0
# How long a device that nothing runs on any more is taken for as slow as it was, since nobody sees what has become of
# it; and how long a model is not tried again where it did not load. Heat follows the hours of the day; a try that was
# wrong makes a model slow for EVERY_S, which is 3 % of this.
REMEMBERED_S = 6 * 3600.0


@dataclass(frozen=True)
class Standing:
    """The pipelines at a moment.

    Attributes:
        on: the device that each runs on
        free: whose sources are live, and go on: a file would begin anew
        slower: how many times slower than measured each device is, where that is known
    """

    settings: Mapping[str, PipelineSettings]
    known: Mapping[str, Evidence]
    assigned: Mapping[str, Assigned]
    on: Mapping[str, str]
    free: frozenset[str]
    ended: frozenset[str]
    paces: Mapping[str, Pace]
    slower: Mapping[str, float]


@dataclass(frozen=True)
class Move:
    """What is to become of them.

    Attributes:
        assigned: of those that move
        models: loaded there, one for each worker; whoever has the move closes them, or hands them on
        refused: why models do not load on the devices that they were to move to
    """

    since: Standing
    moved: Moved
    assigned: Mapping[str, Assigned]
    because: str
    models: Mapping[str, Sequence[Model]]
    refused: Mapping[str, str]

    def close(self) -> None:
        """It is not made."""
        for model in chain.from_iterable(self.models.values()):
            model.close()


class Moving:
    """For the main loop, which calls `turn` often; models are placed and tried in a thread."""

    def __init__(self, pipelines: Pipelines, errands: Errands) -> None:
        self._pipelines = pipelines
        self._rehearsing = Rehearsing[Move | None]("move", self._accept, self._refuse, errands, _discard)
        self._due = time.monotonic() + EVERY_S
        self._slower: dict[str, tuple[float, float]] = {}  # by device, and until when that is believed
        self._closed: dict[tuple[str, str], float] = {}  # where a pipeline's model did not load, and until when

    def turn(self, *, reloading: bool) -> None:
        """Look whether it is time, and whether all could be better placed; not while the configuration is read."""
        self._rehearsing.turn()
        now = time.monotonic()
        if now < self._due or reloading or self._rehearsing.busy:
            return
        self._due = now + EVERY_S
        standing = self._standing(now)
        seen = [*standing.slower.values(), *(pace.slower for pace in standing.paces.values())]
        if self._pipelines.moved or any(times > SLOWER for times in seen):
            act = partial(_find, standing, frozenset(pair for pair, until in self._closed.items() if until > now))
            self._rehearsing.begin(act, REHEARSE_S, f"its models were not loaded in {REHEARSE_S:.0f} s")

    def _standing(self, now: float) -> Standing:
        on = {pipeline.name: pipeline.model.device for pipeline in self._pipelines if pipeline.model}
        paces = self._pipelines.departing.paces()
        seen = times_slower(on, {name: pace.slower for name, pace in paces.items()})
        self._slower |= {device: (times, now + REMEMBERED_S) for device, times in seen.items()}
        return Standing(
            dict(self._pipelines.settings),
            self._pipelines.known,
            self._pipelines.assigned,
            on,
            frozenset(pipeline.name for pipeline in self._pipelines if pipeline.intake.live and not pipeline.ended),
            frozenset(pipeline.name for pipeline in self._pipelines if pipeline.ended),
            paces,
            {device: times for device, (times, until) in self._slower.items() if until > now},
        )

    def _accept(self, move: Move | None) -> None:
        if move is None or self._has_changed(move.since):
            _discard(move)
            return
        for name, why in move.refused.items():
            device = move.moved.device_of[name]
            self._closed[name, device] = time.monotonic() + REMEMBERED_S
            where = {"pipeline": name, "from": move.since.on[name], "to": device}
            log.warning("a pipeline stays where it is: its model does not load there: %s", why, extra=where)
        if move.refused:
            move.close()
            return
        for name, assigned in move.assigned.items():
            where = {"pipeline": name, "from": move.since.on[name], "to": assigned.device}
            log.warning("a pipeline moves to another device", extra={**where, **_figures(move, name)})
        self._pipelines.move(move.moved, move.assigned, move.models)

    def _has_changed(self, since: Standing) -> bool:
        return since.settings != self._pipelines.settings or since.assigned is not self._pipelines.assigned

    def _refuse(self, error: Exception) -> None:
        log.error("no pipeline is moved: %s", error)
        self._due = time.monotonic() + REMEMBERED_S


def _figures(move: Move, name: str) -> dict[str, object]:
    pace = move.since.paces.get(name)
    seen = {"p90_ms": round(pace.p90_ms, 2), "measured_ms": round(pace.measured_ms, 2)} if pace else {}
    return {**seen, "because": move.because}


def _discard(move: Move | None) -> None:
    if move:
        move.close()


def _find(standing: Standing, closed: frozenset[tuple[str, str]]) -> Move | None:
    """A better place for some, and whether their models load there; in a thread."""
    found = choice(standing.settings, standing.known)
    if found is None or any(standing.on.get(name) != standing.assigned[name].device for name in found.free):
        return None  # nothing to place, or something stands in for an accelerator, and is not where it was placed
    now = {**found.best().device_of, **{name: standing.on[name] for name in found.free}}
    if any(now[task.name] not in task.cost_ms for task in found.tasks):
        return None  # an accelerator was unplugged just now
    tasks = [
        _open(present(task, now[task.name], _slower(standing, task), standing.slower), now[task.name], closed)
        for task in found.tasks
        if task.name not in standing.ended
    ]
    plan = better(tasks, found.devices, now, found.free & standing.free)
    if plan is None:
        return None
    moved = Moved(found, {name: plan.device_of.get(name, now[name]) for name in found.free})
    assigned = assign(standing.settings, standing.known, moved)
    going = {name: assigned[name] for name in moves(now, moved.device_of)}
    models, refused = {}, {}
    for name, to in going.items():
        try:
            models[name] = load_on(to.device, partial(load_model, to.applied(standing.settings[name])), to.workers)
        except EdgeInferError as error:
            refused[name] = str(error)
    return Move(standing, moved, going, _why(standing, amounts_to(tasks, found.devices, now), plan), models, refused)


def _slower(standing: Standing, task: Task) -> float | None:
    pace = standing.paces.get(task.name)
    return pace.slower if pace else None


def _open(task: Task, on: str, closed: frozenset[tuple[str, str]]) -> Task:
    """The task without the devices that it did not load on."""
    costs = {device: ms for device, ms in task.cost_ms.items() if device == on or (task.name, device) not in closed}
    return replace(task, cost_ms=costs)


def _why(standing: Standing, was: Plan, becomes: Plan) -> str:
    slow = [f"{on} {times:.1f} times slower than measured" for on, times in standing.slower.items() if times > SLOWER]
    late = f"{len(becomes.late_ms)} instead of {len(was.late_ms)} pipelines may be late"
    full, was_full = max(becomes.load.values()), max(was.load.values())
    return ", ".join([*slow, late, f"the fullest device is {full:.0%} busy instead of {was_full:.0%}"])
