"""Which device each pipeline's model runs on: in time for all, and with as little as can be on the fullest device."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeAlias

EXACT = 20_000  # assignments that are searched to the end: 9 models on 3 devices, 0.03 s on a PC
# How full a device may be while there are others: a queue grows without bound as the load nears 1. Source: M/D/1, the
# mean wait is load / (2 (1 - load)) of an answer: two of them at 0.8, 4.5 at 0.9.
COMFORT = 0.8


@dataclass(frozen=True, slots=True)
class Device:
    """What models run on.

    Attributes:
        slots: models that it runs at a time
        keeps_one: it holds the parameters of one model only
        last: it has other work to do, and gets what the others cannot bear: the CPU beside accelerators
    """

    name: str
    slots: int = 1
    keeps_one: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One pipeline's model, asked `fps` times a second; each answer has `deadline_ms` from its frame on.

    Attributes:
        cost_ms: of a frame, by the name of each device that can do it
        infer_ms: of that, the inference alone; empty: all of it
        swap_ms: until its parameters are back on a device that has just run another model
        model: which one; tasks of the same model need no swap
    """

    name: str
    fps: float
    deadline_ms: float
    cost_ms: Mapping[str, float]
    swap_ms: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    infer_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who runs where.

    Attributes:
        device_of: by the name of the task
        load: of each device, 1.0: busy all the time
        response_ms: how long a frame of each task may have to wait for its answer
        late_ms: of those that may miss their deadline: by how much
        is_best: no assignment is better
    """

    device_of: Mapping[str, str]
    load: Mapping[str, float]
    response_ms: Mapping[str, float]
    late_ms: Mapping[str, float]
    is_best: bool


# What is made small, the first first: how late answers are, the worst first; how much fuller devices are than COMFORT,
# the fullest first; the load of those that come last; the loads of all, the fullest first.
Strain: TypeAlias = tuple[tuple[float, ...], tuple[float, ...], float, tuple[float, ...]]
Groups: TypeAlias = list[list[Task]]  # the tasks of each device


def solve(tasks: Sequence[Task], devices: Sequence[Device]) -> Plan:
    """The best plan; of many tasks and devices a good one.

    Raises:
        ValueError: a task runs on none of the devices.
    """
    for task in tasks:
        if not any(device.name in task.cost_ms for device in devices):
            raise ValueError(f"{task.name} runs on none of {', '.join(device.name for device in devices)}")
    is_small = len(devices) ** len(tasks) <= EXACT
    groups = _search(tasks, devices) if is_small else improved(longest_first(tasks, devices), devices)
    return plan_of(groups, devices, is_best=is_small)


def costs_ms(device: Device, group: Sequence[Task]) -> list[float]:
    """Of a frame of each of the tasks that share a device, its swap included."""
    swaps = device.keeps_one and len({task.model for task in group}) > 1
    return [task.cost_ms[device.name] + (task.swap_ms.get(device.name, 0.0) if swaps else 0.0) for task in group]


def responses_ms(device: Device, group: Sequence[Task]) -> list[float]:
    """The longest that a frame of each task waits for its answer.

    One slot: who waits longest is next (`runtime/isolated/turns.py`), each task has one frame there at most, and none
    is interrupted, so all others may be before it: the sum of the costs. Several slots (cores): the system shares them
    evenly, so with more tasks than slots each gets slots / tasks of one.
    """
    costs = costs_ms(device, group)
    if device.slots == 1:
        return [sum(costs)] * len(group)
    return [cost * max(1.0, len(group) / device.slots) for cost in costs]


def load_of(device: Device, group: Sequence[Task]) -> float:
    """How much of the time it is busy; above 1 it cannot keep up."""
    costs = costs_ms(device, group)
    return sum(task.fps * cost for task, cost in zip(group, costs, strict=True)) / 1e3 / device.slots


def strain(groups: Groups, devices: Sequence[Device]) -> Strain:
    """How bad an assignment is; one more task never makes it smaller."""
    pairs = list(zip(devices, groups, strict=True))
    late = [
        response - task.deadline_ms
        for device, group in pairs
        for task, response in zip(group, responses_ms(device, group), strict=True)
        if response > task.deadline_ms
    ]
    loads = [load_of(device, group) for device, group in pairs]
    over = [load - COMFORT for load in loads if load > COMFORT]
    last = sum(load for device, load in zip(devices, loads, strict=True) if device.last)
    return _falling(late), _falling(over), last, _falling(loads)


def _falling(values: list[float]) -> tuple[float, ...]:
    return tuple(sorted(values, reverse=True))


def _search(tasks: Sequence[Task], devices: Sequence[Device]) -> Groups:
    """Every assignment, but for those that are worse than the best so far before they are complete."""
    groups = improved(longest_first(tasks, devices), devices)
    best, least = groups, strain(groups, devices)
    order = _longest_first(tasks)
    open_: Groups = [[] for _ in devices]

    def go(depth: int) -> None:
        nonlocal best, least
        now = strain(open_, devices)
        if now >= least:
            return
        if depth == len(order):
            best, least = [list(group) for group in open_], now
            return
        for device, group in zip(devices, open_, strict=True):
            if device.name in order[depth].cost_ms:
                group.append(order[depth])
                go(depth + 1)
                group.pop()

    go(0)
    return best


def longest_first(tasks: Sequence[Task], devices: Sequence[Device]) -> Groups:
    """Each task, the greatest first, onto the device where it does the least harm.

    Source: R. L. Graham, Bounds on multiprocessing timing anomalies, 1969 (LPT), for devices that differ.
    """
    groups: Groups = [[] for _ in devices]
    for task in _longest_first(tasks):
        places = [number for number, device in enumerate(devices) if device.name in task.cost_ms]
        chosen = min(places, key=lambda number: strain(_with(groups, number, task), devices))
        groups[chosen].append(task)
    return groups


def improved(groups: Groups, devices: Sequence[Device]) -> Groups:
    """Move single tasks, and exchange pairs, as long as that helps."""
    least = strain(groups, devices)
    while True:
        found = min(_neighbours(groups, devices), key=lambda other: strain(other, devices), default=groups)
        if (now := strain(found, devices)) >= least:
            return groups
        groups, least = found, now


def _neighbours(groups: Groups, devices: Sequence[Device]) -> Iterator[Groups]:
    placed = [(number, task) for number, group in enumerate(groups) for task in group]
    for number, task in placed:
        for other, device in enumerate(devices):
            if other != number and device.name in task.cost_ms:
                yield _with(_without(groups, number, task), other, task)
    for (one, task), (other, beside) in combinations(placed, 2):
        if one != other and devices[other].name in task.cost_ms and devices[one].name in beside.cost_ms:
            bare = _without(_without(groups, one, task), other, beside)
            yield _with(_with(bare, other, task), one, beside)


def _longest_first(tasks: Sequence[Task]) -> list[Task]:
    return sorted(tasks, key=lambda task: (-task.fps * min(task.cost_ms.values()), task.name))


def _with(groups: Groups, number: int, task: Task) -> Groups:
    return [[*group, task] if place == number else group for place, group in enumerate(groups)]


def _without(groups: Groups, number: int, task: Task) -> Groups:
    return [
        [one for one in group if one is not task] if place == number else group for place, group in enumerate(groups)
    ]


def plan_of(groups: Groups, devices: Sequence[Device], *, is_best: bool) -> Plan:
    """What an assignment amounts to."""
    device_of, response = {}, {}
    for device, group in zip(devices, groups, strict=True):
        for task, response_ms in zip(group, responses_ms(device, group), strict=True):
            device_of[task.name], response[task.name] = device.name, response_ms
    late = {task.name: response[task.name] - task.deadline_ms for group in groups for task in group}
    return Plan(
        device_of,
        {device.name: load_of(device, group) for device, group in zip(devices, groups, strict=True)},
        response,
        {name: ms for name, ms in late.items() if ms > 0},
        is_best,
    )
