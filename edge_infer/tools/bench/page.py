"""A report as one page that needs nothing else: for a phone or a desk, light or dark as its reader has it."""

from html import escape

from edge_infer.tools.bench.plots import bars, distribution, over_time
from edge_infer.tools.bench.record import Figure, ModelReport, Outcome, Report
from edge_infer.tools.bench.told import heat, model_line, value

STYLE = """
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--ink:#1b1b19;--soft:#5c5b57;--rule:#deddd8;--main:#2a6fc9;
--mark:#b8470f}
@media(prefers-color-scheme:dark){:root{--page:#161615;--card:#20201e;--ink:#f0efec;--soft:#a9a8a2;--rule:#3a3936;
--main:#5b9df0;--mark:#f08a4b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1140px;margin:0 auto;padding:28px 16px 48px}
h1{font-size:24px;line-height:1.25;margin:0 0 4px}h2{font-size:19px;margin:36px 0 2px;overflow-wrap:anywhere}
h3{font-size:15px;margin:0}p{margin:2px 0 10px}.soft{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(240px,100%),1fr));gap:10px 24px;margin:16px 0 0}
dt{color:var(--soft);font-size:12px}dd{margin:0;overflow-wrap:anywhere}
.tiles{display:flex;flex-wrap:wrap;gap:8px 32px;margin:10px 0 14px}
.tile b{font-size:25px;font-weight:600;line-height:1.2}
.tile b small{font-size:14px;font-weight:400;color:var(--soft)}
.tile span{display:block;color:var(--soft);font-size:12px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:14px 16px;margin:12px 0}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(310px,100%),1fr));gap:16px 28px;margin-top:10px}
figure{margin:0;max-width:460px}figcaption{font-size:13px;color:var(--soft);margin-bottom:4px}svg{width:100%;display:block}
svg text{font-size:11px;fill:var(--soft);paint-order:stroke;stroke:var(--card);stroke-width:3px}
svg .value{fill:var(--ink)}.bar{fill:var(--main)}
.line{fill:none;stroke:var(--main);stroke-width:2;stroke-linejoin:round}.grid{stroke:var(--rule);stroke-width:1}
.mark{stroke:var(--mark);stroke-width:1;stroke-dasharray:3 3}.dot{fill:var(--mark);stroke:var(--card);stroke-width:2}
.whisker{stroke:var(--ink);stroke-width:1.5;fill:none}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;margin-top:8px}
th,td{text-align:right;padding:4px 12px 4px 0;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:500;color:var(--soft)}th:first-child,td:first-child{text-align:left}td.why{white-space:normal;color:var(--soft)}
summary{cursor:pointer;color:var(--soft);font-size:13px;margin-top:12px}.alarm{color:var(--mark);font-weight:600}
"""
TITLES = {
    "side": "Side by side",
    "single": "One frame at a time",
    "multi": "Eight frames at a time",
    "offline": "Throughput",
    "live": "Live: from capture to a subscriber",
    "start": "Cold start",
    "sustained": "Sustained load",
}
HEADLINES = {  # scenario: figures that stand in large type
    "side": ("pipeline", "pipeline/bare"),
    "single": ("p50", "p90"),
    "multi": ("p50", "p99"),
    "offline": ("fps",),
    "live": ("p50", "added p50", "event p50", "event kept p50"),
    "start": ("total",),
    "sustained": ("fps", "peak RSS"),
}


def page(report: Report) -> str:
    """The page, HTML."""
    board = report.machine.board or report.machine.processor or "this machine"
    title = f"edge_infer on {board}"
    alarm = f'<p class="alarm">It was throttled: {escape(", ".join(report.throttled))}.</p>' if report.throttled else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><main><h1>{escape(title)}</h1>"
        f'<p class="soft">{escape(report.date)}, {_settings(report)}</p>{alarm}'
        f"{_facts(report)}{''.join(map(_model, report.models))}</main></html>\n"
    )


def _settings(report: Report) -> str:
    how = report.settings
    parts = [
        f"{how.rounds} rounds of {how.seconds:g} s in alternating order, each warm before it counts",
        f"{how.workers} worker{'s' * (how.workers != 1)}",
        f"{how.threads} thread{'s' * (how.threads != 1)} for each",
    ]
    return escape(", ".join(parts))


def _facts(report: Report) -> str:
    machine = report.machine
    memory = f"{machine.memory_bytes / 2**30:.1f} GiB" if machine.memory_bytes else None
    power = report.power.method and f"{report.power.method}; idle {report.power.idle_w or 0:.2f} W, subtracted"
    said = {
        "Board": machine.board,
        "Processor": f"{machine.processor or machine.arch}, {machine.cores} cores",
        "Memory": memory,
        "System": f"{machine.system or ''}, Linux {machine.kernel} {machine.arch}",
        "Governor; load before": f"{machine.governor or 'unknown'}; {machine.load:g}",
        "Heat": heat(report),
        "Energy": power or f"not measured: {report.power.reason}",
        "Runtime": machine.runtime,
        "Python, numpy, OpenCV": f"{machine.python}, {machine.numpy}, {machine.opencv}",
        "edge_infer": f"{machine.edge_infer}{f' ({machine.commit})' if machine.commit else ''}",
        "Outbox, broker": f"{machine.outbox_on or 'unknown file system'}, {machine.broker or 'other'}",
    }
    return (
        "<dl>"
        + "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in said.items() if text)
        + "</dl>"
    )


def _model(model: ModelReport) -> str:
    inputs = f"{model.facts.task}, {'; '.join(model.facts.inputs)}, {model.facts.bytes / 1e6:.2f} MB"
    return (
        f'<section><h2>{escape(model.model)}</h2><p class="soft">{escape(inputs)}; {escape(model_line(model))}</p>'
        f"{''.join(map(_outcome, model.outcomes))}</section>"
    )


def _outcome(outcome: Outcome) -> str:
    large = [name for name in HEADLINES[outcome.scenario] if name in outcome.figures]
    tiles = "".join(_tile(name, outcome.figures[name]) for name in large)
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in outcome.notes)
    return (
        f'<div class="card"><h3>{TITLES[outcome.scenario]}</h3><p class="soft">{escape(outcome.about)}</p>'
        f'<div class="tiles">{tiles}</div><div class="plots">{"".join(_plots(outcome))}</div>'
        f"<details><summary>All figures</summary>{_table(outcome)}</details>{notes}</div>"
    )


def _tile(name: str, figure: Figure) -> str:
    spread = ""
    if figure.rounds and len(figure.rounds) > 1:
        spread = f", rounds {value(_of(figure, min(figure.rounds)))} to {value(_of(figure, max(figure.rounds)))}"
    said = f"{escape(name)}{spread}" if figure.value is not None else escape(f"{name}: {figure.reason}")
    return f'<div class="tile"><b>{value(figure)} <small>{escape(figure.unit)}</small></b><span>{said}</span></div>'


def _of(figure: Figure, number: float) -> Figure:
    return Figure(value=number, unit=figure.unit)


def _plots(outcome: Outcome) -> list[str]:
    found = []
    if outcome.scenario == "side":
        rates = {name: outcome.figures[name] for name in ("bare", "pipeline", "by hand")}
        spread = {name: (min(one.rounds), max(one.rounds)) for name, one in rates.items()}
        found.append(_plot("frames a second, and its rounds", bars(_values(rates), "fps", spread)))
        costs = {name: outcome.figures[f"{name} CPU"] for name in rates}
        found.append(_plot("CPU time a frame", bars(_values(costs), "ms")))
    for name, curve in outcome.curves.items():
        before = f"{name} " if f"{name} p90" in outcome.figures else ""
        shown = {mark: outcome.figures[f"{before}{mark}"].value for mark in ("p50", "p90", "p99")}
        marks = {mark: ms for mark, ms in shown.items() if ms is not None}
        found.append(_plot(f"{name}: share of {curve.n} below so many ms", distribution(curve, marks)))
    if outcome.stages_ms:
        found.append(_plot("median of each stage", bars(outcome.stages_ms, "ms")))
    found += [_plot(f"{name}, {series.unit}", over_time(series)) for name, series in outcome.series.items()]
    return found


def _values(figures: dict[str, Figure]) -> dict[str, float]:
    return {name: figure.value or 0.0 for name, figure in figures.items()}


def _plot(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def _table(outcome: Outcome) -> str:
    rows = []
    for name, figure in outcome.figures.items():
        rounds = " ".join(value(_of(figure, each)) for each in figure.rounds[:10])
        more = f" and {len(figure.rounds) - 10} more" if len(figure.rounds) > 10 else ""
        rows.append(
            f"<tr><td>{escape(name)}</td><td>{value(figure)} {escape(figure.unit)}</td><td>{figure.n or ''}</td>"
            f'<td class="why">{escape(figure.reason or rounds + more)}</td></tr>'
        )
    head = "<tr><th>figure</th><th>value</th><th>of n</th><th>rounds, or why there is none</th></tr>"
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'
