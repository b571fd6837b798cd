"""Whether pipelines are still as fast as they were when they were measured, and the log hears it where not."""

import logging
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from edge_infer.assigning import Assigned
from edge_infer.health.process import cores
from edge_infer.pipeline import Counted, Pipeline
from edge_infer.plan.points import CPU
from edge_infer.plan.present import SLOWER
from edge_infer.sharing import kind_of
from edge_infer.wire.machine import MachineHealth

log = logging.getLogger(__name__)

ENOUGH = 64  # frames that a bound of the 90th percentile needs (tools/bench/early_stopping.py)
MOST = 60  # windows that are kept: ten minutes of them, where the machine is measured every 10 s


class Pace(NamedTuple):
    """How long inference takes in a pipeline.

    Attributes:
        slower: times, than was measured; 1.0: as fast
        p90_ms: of a window of ENOUGH frames or more
        measured_ms: that it would be at most, if all were as it was measured
    """

    slower: float
    p90_ms: float
    measured_ms: float


class Departing:
    """Compares each pipeline's inference with its evidence, now and then; for one thread."""

    def __init__(self) -> None:
        self._since: dict[Pipeline, Counted] = {}
        self._paces: dict[Pipeline, deque[Pace]] = {}
        self._slower: set[str] = set()  # who was told of
        self._throttled: tuple[str, ...] = ()

    def look(self, pipelines: list[Pipeline], assigned: Mapping[str, Assigned], machine: MachineHealth) -> None:
        """Say what is news."""
        now = machine.throttling.now if machine.throttling else ()
        if now != self._throttled and any(one.point for one in assigned.values()):
            log.warning("throttling changes what was measured", extra={"now": list(now) or "none"})
        self._throttled = now
        expected_ms = dict(_expected(pipelines, assigned))
        self._since = {pipeline: self._since.get(pipeline) or pipeline.counted() for pipeline in expected_ms}
        self._paces = {pipeline: self._paces.get(pipeline) or deque(maxlen=MOST) for pipeline in expected_ms}
        for pipeline, ms in expected_ms.items():
            self._compare(pipeline, ms)

    def forget(self, names: Collection[str]) -> None:
        """These run on other devices from now on."""
        self._since = {pipeline: counted for pipeline, counted in self._since.items() if pipeline.name not in names}
        self._paces = {pipeline: seen for pipeline, seen in self._paces.items() if pipeline.name not in names}
        self._slower.difference_update(names)

    def paces(self) -> dict[str, Pace]:
        """The median of what was seen since this was asked before, by pipeline; where nothing was, there is none."""
        found = {pipeline.name: sorted(seen)[(len(seen) - 1) // 2] for pipeline, seen in self._paces.items() if seen}
        self._paces = {}
        return found

    def _compare(self, pipeline: Pipeline, expected_ms: float) -> None:
        counted = pipeline.counted()
        if (times := counted.stages.get("infer")) is None:
            return
        recent = times.since(self._since[pipeline].stages.get("infer"))
        if recent.total < ENOUGH:
            return
        self._since[pipeline] = counted
        p90_ms = recent.percentile(0.9)
        self._paces[pipeline].append(Pace(p90_ms / expected_ms, p90_ms, expected_ms))
        if p90_ms <= expected_ms * SLOWER:
            self._slower.discard(pipeline.name)
        elif pipeline.name not in self._slower:
            self._slower.add(pipeline.name)
            log.warning(
                "inference is slower than it was measured, threads and placement are out of date: "
                "run `edge-infer tune --again --write`, and start the daemon anew",
                extra={"pipeline": pipeline.name, "p90_ms": round(p90_ms, 2), "measured_ms": round(expected_ms, 2)},
            )


def _expected(pipelines: list[Pipeline], assigned: Mapping[str, Assigned]) -> Iterator[tuple[Pipeline, float]]:
    """The 90th percentile (ms) of those that run where they were measured, at most.

    With more to do than there are cores, each gets its part of one. On an accelerator a frame waits for one of each
    other worker at most (plan/solver.py).
    """
    device_of = {pipeline.name: pipeline.model.device for pipeline in pipelines if pipeline.model}
    wanted = sum(assigned[name].threads * assigned[name].workers for name, device in device_of.items() if device == CPU)
    crowd = max(1.0, wanted / cores())
    for pipeline in pipelines:
        own, device = assigned[pipeline.name], device_of.get(pipeline.name, "")
        if own.point is None or own.point.device != kind_of(device):
            continue
        there = [assigned[name] for name, other in device_of.items() if other == device]
        turns_ms = [(one.point.infer_p90_ms + one.swap_ms) * one.workers for one in there if one.point]
        if device == CPU or len(there) == 1:
            yield pipeline, own.point.infer_p90_ms * (crowd if device == CPU else 1.0)
        elif len(turns_ms) == len(there):
            yield pipeline, sum(turns_ms)
