"""Which device each model runs on: as good as trying everything, and never worse than the simple way."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.plan.solver import (
    EXACT,
    Device,
    Groups,
    Strain,
    Task,
    improved,
    longest_first,
    plan_of,
    responses_ms,
    solve,
    strain,
)

CPU, USB, PCI = (
    Device("cpu", slots=4, last=True),
    Device("edgetpu:usb:0", keeps_one=True),
    Device("edgetpu:pci:0", keeps_one=True),
)
DEVICES = (CPU, USB, PCI)


def rounded(value: Strain) -> list[list[float]]:
    """Sums differ in their last bit by the order in which they are made."""
    late, over, last, loads = value
    return [[round(one, 6) for one in part] for part in (late, over, (last,), loads)]


def everything(tasks: list[Task], devices: tuple[Device, ...]) -> list[Groups]:
    """Every assignment that can be."""
    found = []
    for places in product(range(len(devices)), repeat=len(tasks)):
        if all(devices[place].name in task.cost_ms for task, place in zip(tasks, places, strict=True)):
            found.append(
                [[t for t, place in zip(tasks, places, strict=True) if place == n] for n in range(len(devices))]
            )
    return found


costs = st.floats(0.1, 200.0)
tasks = st.builds(
    lambda fps, deadline, all_costs, swap, model, only: Task(
        "",
        fps,
        deadline,
        {device.name: cost for device, cost in zip(DEVICES[: only or 3], all_costs, strict=False)},
        {USB.name: swap, PCI.name: swap / 2},
        model,
    ),
    st.floats(0.5, 60.0),
    st.floats(5.0, 500.0),
    st.tuples(costs, costs, costs),
    st.floats(0.0, 20.0),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 2),
)


def named(found: list[Task]) -> list[Task]:
    return [
        Task(f"t{number}", task.fps, task.deadline_ms, task.cost_ms, task.swap_ms, task.model)
        for number, task in enumerate(found)
    ]


@given(st.lists(tasks, min_size=1, max_size=5).map(named))
@settings(max_examples=60)
def test_the_plan_is_the_best_of_all(found: list[Task]) -> None:
    plan = solve(found, DEVICES)
    assert plan.is_best
    groups = [[task for task in found if plan.device_of[task.name] == device.name] for device in DEVICES]
    best = min(strain(groups, DEVICES) for groups in everything(found, DEVICES))
    assert rounded(strain(groups, DEVICES)) == rounded(best)


@given(st.lists(tasks, min_size=1, max_size=12).map(named))
@settings(max_examples=60)
def test_improving_is_never_worse_than_the_longest_first(found: list[Task]) -> None:
    first = longest_first(found, DEVICES)
    better = improved(first, DEVICES)
    assert strain(better, DEVICES) <= strain(first, DEVICES)
    assert sorted(task.name for group in better for task in group) == sorted(task.name for task in found)


@given(st.lists(tasks, min_size=1, max_size=6).map(named), tasks)
@settings(max_examples=40)
def test_one_more_task_never_makes_it_easier(found: list[Task], more: Task) -> None:
    groups = longest_first(found, DEVICES)
    for number, device in enumerate(DEVICES):
        if device.name in more.cost_ms:
            fuller = [[*group, more] if place == number else group for place, group in enumerate(groups)]
            assert strain(fuller, DEVICES) >= strain(groups, DEVICES)


def test_what_is_too_large_to_be_searched_is_close_to_the_best() -> None:
    random = np.random.default_rng(7)
    ratios = []
    for _ in range(60):
        found = [
            Task(
                f"t{number}",
                float(random.uniform(1, 30)),
                1e6,
                {device.name: float(random.uniform(1, 60)) for device in DEVICES},
                model=f"m{number}",
            )
            for number in range(6)
        ]
        best = solve(found, DEVICES)
        near = plan_of(improved(longest_first(found, DEVICES), DEVICES), DEVICES, is_best=False)
        ratios.append(max(near.load.values()) / max(best.load.values()))
    assert np.median(ratios) < 1.01
    assert max(ratios) < 1.35  # docs/tuning.md


def test_more_than_can_be_searched_is_planned_too() -> None:
    many = [Task(f"t{number}", 10.0, 1e3, {CPU.name: 5.0, USB.name: 3.0, PCI.name: 3.0}) for number in range(30)]
    assert len(DEVICES) ** len(many) > EXACT
    plan = solve(many, DEVICES)
    assert not plan.is_best
    assert max(plan.load.values()) <= 0.8
    assert plan.load[CPU.name] == pytest.approx(0.0)


def test_models_that_evict_each_other_get_an_accelerator_each() -> None:
    two = [
        Task(name, 30.0, 33.0, {USB.name: 5.0, PCI.name: 5.0}, {USB.name: 20.0, PCI.name: 12.0}, model=name)
        for name in ("faces", "cars")
    ]
    assert set(solve(two, (USB, PCI)).device_of.values()) == {USB.name, PCI.name}
    alone = solve(two, (USB,))
    assert alone.load[USB.name] == pytest.approx(2 * 30 * 25 / 1000)
    assert alone.late_ms == {"faces": pytest.approx(17.0), "cars": pytest.approx(17.0)}
    same = [Task(task.name, task.fps, 33.0, task.cost_ms, task.swap_ms, model="both") for task in two]
    assert solve(same, (USB,)).response_ms == {"faces": 10.0, "cars": 10.0}


def test_a_deadline_comes_before_an_even_load() -> None:
    hurried = Task("hurried", 1.0, 12.0, {CPU.name: 50.0, USB.name: 10.0}, model="a")
    patient = Task("patient", 50.0, 500.0, {CPU.name: 60.0, USB.name: 15.0}, model="b")
    plan = solve([hurried, patient], (CPU, USB))
    assert plan.device_of == {"hurried": USB.name, "patient": CPU.name}
    assert plan.late_ms == {}


def test_more_models_than_cores_wait_for_each_other() -> None:
    eight = [Task(str(number), 1.0, 1e3, {CPU.name: 10.0}) for number in range(8)]
    assert responses_ms(CPU, eight) == [20.0] * 8
    assert responses_ms(CPU, eight[:3]) == [10.0] * 3


def test_a_task_that_runs_nowhere_is_named() -> None:
    with pytest.raises(ValueError, match="yard runs on none of cpu"):
        solve([Task("yard", 1.0, 1.0, {"edgetpu": 1.0})], [CPU])
