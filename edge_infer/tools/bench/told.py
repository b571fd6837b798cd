"""A report, and a comparison of two, as lines for a terminal."""

from collections.abc import Sequence

from edge_infer.tools.bench.compare import DRIFT, Compared
from edge_infer.tools.bench.record import Figure, MachineFacts, ModelReport, Report

WIDE = 40  # of a model's name
LINE = 130  # a table with wider ones is told in parts


def told(report: Report) -> list[str]:
    """The machine, then a table for each scenario."""
    lines = [*machine_lines(report), "", *(f"{model.model}: {model_line(model)}" for model in report.models)]
    names = dict.fromkeys(outcome.scenario for model in report.models for outcome in model.outcomes)
    for name in names:
        lines += ["", *(_side(report) if name == "side" else _table(report, name))]
    return lines


def machine_lines(report: Report) -> list[str]:
    """What it was measured on, and how."""
    machine, how = report.machine, report.settings
    parts = [machine.board, machine.processor, f"{machine.cores} cores", machine.arch]
    state = [f"governor {machine.governor or 'unknown'}", f"load {machine.load:g} before", heat(report)]
    libraries = [machine.runtime, f"Python {machine.python}", f"numpy {machine.numpy}", f"OpenCV {machine.opencv}"]
    commit = f" ({machine.commit})" if machine.commit else ""
    power = report.power
    energy = (
        f"{power.method}; idle {power.idle_w:.2f} W" if power.idle_w is not None else f"not measured: {power.reason}"
    )
    return [
        ", ".join(part for part in parts if part),
        ", ".join(part for part in (machine.system, f"Linux {machine.kernel}", *state) if part),
        f"edge_infer {machine.edge_infer}{commit}, {', '.join(libraries)}",
        f"{report.date}, {how.rounds} rounds of {how.seconds:g} s in alternating order, warm; workers {how.workers}, "
        f"threads {how.threads}; {_outbox(machine)}",
        f"energy: {energy}",
    ]


def heat(report: Report) -> str:
    """Temperature and throttling, as far as they are known."""
    machine = report.machine
    known = machine.temperature_c is not None and report.temperature_end_c is not None
    degrees = f"{machine.temperature_c:.0f} to {report.temperature_end_c:.0f} °C" if known else "temperature unknown"
    if machine.throttled_now is None:
        return f"{degrees}, throttling unknown"
    return f"{degrees}, {'THROTTLED: ' + ', '.join(report.throttled) if report.throttled else 'not throttled'}"


def _outbox(machine: MachineFacts) -> str:
    memory = " (memory, no disk: --state-dir names another)" if machine.outbox_on == "tmpfs" else ""
    return f"outbox on {machine.outbox_on or 'an unknown file system'}{memory}, {machine.broker or 'another broker'}"


def model_line(model: ModelReport) -> str:
    """What a model is and where it runs."""
    facts, graph = model.facts, model.facts.graph
    parts = "" if graph.parts is None else f" in {graph.parts} part{'s' * (graph.parts != 1)}"
    taken = f"{graph.delegated} of {graph.operators} operators in a delegate{parts}"
    if graph.delegated is None:
        taken = f"{graph.operators} operators{f', {graph.parts} of them in the accelerator' if graph.parts else ''}"
    return f"{facts.device}, {taken}, {facts.shown}, sha256 {facts.sha256[:12]}"


def _side(report: Report) -> list[str]:
    lines = [
        f"{'side by side':<{WIDE}} {'bare':>15} {'pipeline':>15} {'by hand':>15} {'pipeline/bare':>21}   p50/p95 ms"
    ]
    notes: list[str] = []
    threads: list[str] = []
    for model in report.models:
        outcome = next(one for one in model.outcomes if one.scenario == "side")
        found = outcome.figures
        columns = " ".join(
            f"{_number(found[name])} /{found[f'{name} CPU'].value or 0:>6.2f}"
            for name in ("bare", "pipeline", "by hand")
        )
        latency = f"{found['p50'].value:.2f}/{found['p95'].value:.2f}"
        lines.append(f"{model.model[:WIDE]:<{WIDE}} {columns} {spread(found['pipeline/bare']):>21}   {latency}")
        notes += [f"{model.model}: {note}" for note in outcome.notes]
        parts = [f"{name[4:]} {one.value:.3f}" for name, one in found.items() if name.startswith("CPU ")]
        threads += [f"{model.model}: CPU ms of a frame by thread: {', '.join(parts)}"] if parts else []
        about = outcome.about
    legend = "each column: frames per second / CPU ms of this process; ratio: median of the rounds (min..max)"
    notes = notes or ["each result that the pipeline gave was acknowledged by the broker"]
    return [*lines, legend, about, *threads, *notes]


def _number(figure: Figure) -> str:
    return f"{figure.value or 0:>7.1f}"


def spread(figure: Figure) -> str:
    """The figure and how far its rounds lie apart."""
    return f"{figure.value:.3f} ({min(figure.rounds):.3f}..{max(figure.rounds):.3f})"


def _table(report: Report, name: str) -> list[str]:
    rows = {model.model: one for model in report.models for one in model.outcomes if one.scenario == name}
    columns = list(dict.fromkeys(column for outcome in rows.values() for column in outcome.figures))
    units = {column: figure.unit for outcome in rows.values() for column, figure in outcome.figures.items()}
    shown = [
        column for column in columns if any(one.figures.get(column, NONE).value is not None for one in rows.values())
    ]
    heads = [column if units[column] in ("", column) else f"{column} {units[column]}" for column in shown]
    lines = []
    for part in _parts(heads):
        lines.append(" ".join([f"{name:<{WIDE}}", *(f"{head:>10}" for head in heads[part])]))
        for model, outcome in rows.items():
            pairs = zip(shown[part], heads[part], strict=True)
            cells = [f"{value(outcome.figures.get(column, NONE)):>{max(10, len(head))}}" for column, head in pairs]
            lines.append(" ".join([f"{model[:WIDE]:<{WIDE}}", *cells]))
    absent = [
        f"{model}: {column} is not known: {figure.reason}"
        for model, outcome in rows.items()
        for column, figure in outcome.figures.items()
        if figure.value is None and figure.reason
    ]
    notes = [f"{model}: {note}" for model, outcome in rows.items() for note in outcome.notes]
    return [*lines, next(iter(rows.values())).about, *dict.fromkeys([*absent, *notes])]


def _parts(heads: Sequence[str]) -> list[slice]:
    """Columns that a line has room for."""
    starts, used = [0], WIDE
    for place, head in enumerate(heads):
        wide = 1 + max(10, len(head))
        if used + wide > LINE and place > starts[-1]:
            starts.append(place)
            used = WIDE
        used += wide
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(heads)], strict=True)]


NONE = Figure(value=None, unit="")


def value(figure: Figure) -> str:
    """A figure without its unit; `-` where there is none."""
    if figure.value is None:
        return "-"
    if figure.unit == "":
        return f"{figure.value:.0f}"
    return f"{figure.value:.4g}" if abs(figure.value) < 1000 else f"{figure.value:.0f}"


def compared(found: Sequence[Compared], differences: Sequence[str]) -> list[str]:
    """A comparison, and how it was decided."""
    lines = [f"{'':<{WIDE}} {'figure':<24} {'first':>10} {'second':>10}   second/first (99 %)"]
    for one in found:
        interval = f" ({one.low:.3f}..{one.high:.3f})" if one.low is not None and one.high is not None else ""
        figure = f"{one.scenario} {one.figure} {one.unit}"
        numbers = f"{one.first:>10.4g} {one.second:>10.4g}   {one.ratio:.3f}{interval}"
        lines.append(f"{one.model[:WIDE]:<{WIDE}} {figure:<24} {numbers}  {one.verdict}")
    lines.append(
        "ratio: median over all pairs of rounds; better or worse: its interval (Mann-Whitney, 99 %) leaves out 1, and "
        f"it departs from 1 by more than {DRIFT:.0%}"
    )
    return [*lines, *(f"not the same: {difference}" for difference in differences)]
