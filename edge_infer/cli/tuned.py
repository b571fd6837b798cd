"""What `tune` shows: a table of settings with the best ones marked, and a plan with what each device has to do."""

from collections.abc import Mapping, Sequence

from edge_infer.assigning import age
from edge_infer.plan.points import PROFILES, Point, ranked, why_best
from edge_infer.plan.solver import Plan, Task
from edge_infer.tools.tune.tune import Tuned

HEADER = f"{'device':<12} {'threads':>7} {'workers':>7} {'p50 ms':>9} {'p90 ms':>9} {'fps':>8} {'CPU ms':>8} {'MB':>6}"

BUSY = 0.1  # cores: what a system does beside, and an accelerator's process, is less


def table(tuned: Tuned) -> list[str]:
    """One model."""
    lines = [f"{tuned.name}: {tuned.model}"]
    for evidence in tuned.evidence.values():
        when = "" if tuned.is_new else f", measured {age(evidence.at)} ago (--again measures anew)"
        beside = f", which gave {evidence.source_fps:g} a second" if evidence.source_fps else ""
        lines.append(f"{evidence.model_bytes / 1e6:.1f} MB, shown {evidence.shown}{beside}{when}")
    if (others := max((evidence.others_cores for evidence in tuned.evidence.values()), default=0.0)) > BUSY:
        lines.append(
            f"others kept {others:.1f} cores busy meanwhile: measure again when they do not, unless they always do"
        )
    lines.append(HEADER)
    best = {profile: ranked(tuned.points, profile)[:1] for profile in PROFILES}
    for point in tuned.points:
        marks = [f"{profile}: {why_best(tuned.points, profile)}" for profile in PROFILES if best[profile] == [point]]
        lines.append(f"{_row(point)}  {'; '.join(marks)}".rstrip())
    if any(not point.is_bound for point in tuned.points):
        lines.append("~ too few frames for a bound: so much it was in those that there were; give more --seconds")
    if not tuned.is_whole:
        lines.append("stopped before all rounds were over: nothing of it is kept")
    return lines + [f"left out: {candidate}: {why}" for candidate, why in tuned.left_out.items()]


def _row(point: Point) -> str:
    device = f"{point.device} x{point.accelerators}" if point.accelerators > 1 else point.device
    p90 = f"{'' if point.is_bound else '~'}{point.p90_ms:.2f}"
    return (
        f"{device:<12} {point.threads:>7} {point.workers:>7} {point.p50_ms:>9.2f} {p90:>9} {point.fps:>8.1f} "
        f"{point.cpu_ms:>8.2f} {point.memory_bytes / 1e6:>6.0f}"
    )


def plan_lines(plan: Plan, tasks: Mapping[str, Task], missing: Sequence[str]) -> list[str]:
    """Who runs where, what that means for each, and how busy each device is."""
    lines = [f"{'pipeline':<20} {'device':<16} {'fps':>6} {'cost ms':>8} {'answer within ms':>17}"]
    for name, device in plan.device_of.items():
        task = tasks[name]
        lines.append(
            f"{name:<20} {device:<16} {task.fps:>6.1f} {task.cost_ms[device]:>8.2f} "
            f"{plan.response_ms[name]:>17.2f}{_late(plan, task)}"
        )
    lines += [f"{device}: {load:.0%} busy" for device, load in plan.load.items()]
    lines += [] if plan.is_best else ["more models and devices than can be searched: a good plan, maybe not the best"]
    return lines + [f"{name}: not measured yet, `edge-infer tune --write` does it" for name in missing]


def _late(plan: Plan, task: Task) -> str:
    late_ms = plan.late_ms.get(task.name)
    return f"  LATE by {late_ms:.1f} ms: its deadline is {task.deadline_ms:.1f}" if late_ms else ""
