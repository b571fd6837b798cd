"""What models cost now, by what running pipelines show, and whether to place them otherwise for that."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from edge_infer.plan.solver import Device, Groups, Plan, Task, improved, plan_of, solve, strain

# Measured anew a 90th percentile differs by up to a third (plan/points.py); a clock throttled to two thirds is more.
SLOWER = 1.5
# What a move has to take off the fullest device, of what it has: starting a pipeline anew loses a second of its frames,
# and costs are known to a tenth (the same model measured again, plan/points.py), on both devices.
RELIEF = 0.2
LATE_MS = 0.001  # sums differ in their last bits by the order in which they are made
Places: TypeAlias = Mapping[str, str]  # the device of each task, by its name


def times_slower(on: Places, slower: Mapping[str, float]) -> dict[str, float]:
    """How many times slower than measured each device is: the median of those that run on it."""
    seen: dict[str, list[float]] = {}
    for name, times in slower.items():
        if name in on:
            seen.setdefault(on[name], []).append(times)
    return {device: middle(times) for device, times in seen.items()}


def middle(values: Collection[float]) -> float:
    """The median, of an even number the lower one; the module `statistics` takes 38 ms to load on a PC."""
    return sorted(values)[(len(values) - 1) // 2]


def present(task: Task, on: str, slower: float | None, devices: Mapping[str, float]) -> Task:
    """The task with what it costs now.

    `slower` is how many times longer than measured its inference takes `on` its device, None: not known; `devices` the
    same of those that have shown it. What is less than SLOWER is noise; what surrounds an inference costs as before.
    """
    times = {**devices, **({on: slower} if slower is not None else {})}
    costs = {
        device: cost + task.infer_ms.get(device, cost) * (_loud(times.get(device, 1.0)) - 1.0)
        for device, cost in task.cost_ms.items()
    }
    return replace(task, cost_ms=costs)


def better(tasks: Sequence[Task], devices: Sequence[Device], now: Places, free: Collection[str]) -> Plan | None:
    """Where those that are `free` should run, with as few moves as can be; None where that does not pay."""
    asked = [task if task.name in free else _kept(task, now[task.name]) for task in tasks]
    best = solve(asked, devices).device_of

    def is_good(places: Places) -> bool:
        return _pays(asked, devices, now, places) and not _pays(asked, devices, places, best)

    if not is_good(best):
        return None
    near = plan_of(improved(_groups(asked, devices, now), devices), devices, is_best=False).device_of
    found = [_with_fewer_moves(now, one, is_good) for one in (near, best) if is_good(one)]
    return amounts_to(asked, devices, min(found, key=lambda one: len(moves(now, one))))


def moves(now: Places, then: Places) -> list[str]:
    """Who would run elsewhere."""
    return [name for name, device in then.items() if device != now[name]]


def amounts_to(tasks: Sequence[Task], devices: Sequence[Device], on: Places) -> Plan:
    """The plan that has everybody on a given device."""
    return plan_of(_groups(tasks, devices, on), devices, is_best=False)


def _pays(tasks: Sequence[Task], devices: Sequence[Device], old: Places, new: Places) -> bool:
    """Whether fewer are late, or the fullest device is emptier by RELIEF, and nothing is worse for it."""
    before, after = _groups(tasks, devices, old), _groups(tasks, devices, new)
    if strain(after, devices) >= strain(before, devices):
        return False
    was, becomes = amounts_to(tasks, devices, old), amounts_to(tasks, devices, new)
    return _late(becomes) < _late(was) or max(becomes.load.values()) <= max(was.load.values()) * (1.0 - RELIEF)


def _late(plan: Plan) -> int:
    return sum(ms > LATE_MS for ms in plan.late_ms.values())


def _with_fewer_moves(now: Places, found: Places, is_good: Callable[[Places], bool]) -> Places:
    for name in found:
        if found[name] != now[name] and is_good(less := {**found, name: now[name]}):
            found = less
    return found


def _groups(tasks: Sequence[Task], devices: Sequence[Device], on: Places) -> Groups:
    return [[task for task in tasks if on[task.name] == device.name] for device in devices]


def _kept(task: Task, on: str) -> Task:
    return replace(task, cost_ms={on: task.cost_ms[on]})


def _loud(times: float) -> float:
    return times if times > SLOWER else 1.0
