"""What models cost now, and that they are moved only where that pays, and once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.plan.present import RELIEF, amounts_to, better, moves, present, times_slower
from edge_infer.plan.solver import Device, Plan, Task, solve, strain

CPU = Device("cpu", slots=4, last=True)
USB, PCI = (Device(name, keeps_one=True) for name in ("edgetpu:usb:0", "edgetpu:pci:0"))
DEVICES = (CPU, USB, PCI)

costs = st.floats(0.1, 200.0)
tasks = st.builds(
    lambda fps, deadline, all_costs, swap, model: Task(
        "",
        fps,
        deadline,
        {device.name: cost for device, cost in zip(DEVICES, all_costs, strict=True)},
        {USB.name: swap, PCI.name: swap / 2},
        model,
        {device.name: cost * 0.8 for device, cost in zip(DEVICES, all_costs, strict=True)},
    ),
    st.floats(0.5, 60.0),
    st.floats(5.0, 500.0),
    st.tuples(costs, costs, costs),
    st.floats(0.0, 20.0),
    st.sampled_from(["a", "b", "c"]),
)
several = st.lists(tasks, min_size=1, max_size=5)
many = st.lists(tasks, min_size=11, max_size=12)  # more than are searched to the end
times = st.floats(0.2, 10.0)


def named(found: list[Task]) -> list[Task]:
    return [
        Task(f"t{number}", one.fps, one.deadline_ms, one.cost_ms, one.swap_ms, one.model, one.infer_ms)
        for number, one in enumerate(found)
    ]


def names(found: list[Task]) -> set[str]:
    return {task.name for task in found}


def strained(found: list[Task], on: dict[str, str]) -> object:
    return strain([[task for task in found if on[task.name] == device.name] for device in DEVICES], DEVICES)


def late(plan: Plan) -> int:
    return sum(ms > 0.001 for ms in plan.late_ms.values())


@st.composite
def standings(draw: st.DrawFn) -> tuple[list[Task], dict[str, str], set[str]]:
    """Tasks with what they cost now, where they are, and who may move."""
    found = named(draw(several))
    on = {task.name: draw(st.sampled_from(DEVICES)).name for task in found}
    slower = {task.name: draw(times) for task in found}
    devices = times_slower(on, slower)
    now = [present(task, on[task.name], slower[task.name], devices) for task in found]
    return now, on, {task.name for task in found if draw(st.booleans())}


@given(standings())
@settings(max_examples=80)
def test_a_move_is_never_for_the_worse_and_pays_and_moves_only_who_may(
    standing: tuple[list[Task], dict[str, str], set[str]],
) -> None:
    found, on, free = standing
    plan = better(found, DEVICES, on, free)
    if plan is None:
        return
    was = amounts_to(found, DEVICES, on)
    assert strained(found, dict(plan.device_of)) < strained(found, on)  # type: ignore[operator]
    assert late(plan) < late(was) or max(plan.load.values()) <= max(was.load.values()) * (1 - RELIEF)
    assert set(moves(on, plan.device_of)) <= free
    assert moves(on, plan.device_of)


@given(standings())
@settings(max_examples=80)
def test_after_a_move_nothing_more_is_moved_as_long_as_costs_are_the_same(
    standing: tuple[list[Task], dict[str, str], set[str]],
) -> None:
    found, on, free = standing
    plan = better(found, DEVICES, on, free)
    if plan:
        assert better(found, DEVICES, plan.device_of, free) is None


@given(st.one_of(several, many).map(named), st.lists(st.floats(0.1, 1.5), min_size=12, max_size=12))
@settings(max_examples=40)
def test_what_costs_as_it_did_but_for_noise_stays_where_it_was_placed(found: list[Task], noise: list[float]) -> None:
    on = solve(found, DEVICES).device_of
    slower = {task.name: one for task, one in zip(found, noise, strict=False)}
    now = [present(task, on[task.name], slower[task.name], times_slower(on, slower)) for task in found]
    assert [task.cost_ms for task in now] == [task.cost_ms for task in found]
    assert better(now, DEVICES, on, names(found)) is None


def test_costs_are_what_was_seen_where_a_model_runs_and_scaled_where_others_do() -> None:
    task = Task("door", 10.0, 100.0, {CPU.name: 12.0, USB.name: 5.0, PCI.name: 4.0}, {}, "m", {CPU.name: 10.0})
    now = present(task, CPU.name, 3.0, {CPU.name: 2.0, USB.name: 2.0})
    assert now.cost_ms == {CPU.name: 2.0 + 30.0, USB.name: 10.0, PCI.name: 4.0}
    assert present(task, CPU.name, None, {CPU.name: 2.0}).cost_ms[CPU.name] == 2.0 + 20.0
    assert present(task, CPU.name, 1.4, {}).cost_ms == task.cost_ms


def test_a_device_is_as_slow_as_the_median_of_those_that_run_there() -> None:
    on = {"a": CPU.name, "b": CPU.name, "c": CPU.name, "d": USB.name}
    assert times_slower(on, {"a": 9.0, "b": 1.0, "c": 2.0, "gone": 7.0}) == {CPU.name: 2.0}


def test_an_accelerator_that_is_throttled_is_left_by_as_few_as_can_be() -> None:
    on = {"a": USB.name, "b": USB.name, "c": PCI.name}
    found = [
        Task(name, 10.0, 100.0, {CPU.name: 60.0, USB.name: 10.0, PCI.name: 25.0}, {}, "same", {USB.name: 9.0})
        for name in on
    ]
    hot = [present(task, on[task.name], 6.0 if on[task.name] == USB.name else 1.0, {USB.name: 6.0}) for task in found]
    assert amounts_to(hot, DEVICES, on).late_ms.keys() == {"a", "b"}
    plan = better(hot, DEVICES, on, names(hot))
    assert plan
    assert plan.late_ms == {}
    assert len(moves(on, plan.device_of)) == 1


def test_who_may_not_move_does_not_make_others_move_for_nothing() -> None:
    on = {"a": CPU.name, "b": CPU.name}
    found = [Task(name, 10.0, 50.0, {CPU.name: 80.0, USB.name: 10.0}, {}, "m") for name in on]
    assert better(found, DEVICES, on, set()) is None
    plan = better(found, DEVICES, on, {"a"})
    assert plan
    assert plan.device_of == {"a": USB.name, "b": CPU.name}
