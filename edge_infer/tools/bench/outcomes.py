"""What the turns of a scenario amount to."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from edge_infer.tools.bench.cold import STEPS
from edge_infer.tools.bench.early_stopping import bound, plain
from edge_infer.tools.bench.eventful import EVERY
from edge_infer.tools.bench.live import STAGES, TOTALS
from edge_infer.tools.bench.record import Figure, Outcome, Settings
from edge_infer.tools.bench.turn import Turn, curve, figure, median_figure, medians, together

Turns: TypeAlias = Mapping[str, Sequence[Turn]]  # by contender
ROLES = ("source", "infer", "answer", "deliver", "outbox")  # of the threads of a pipeline and its delivery
BOUNDS = "p90 and p99 are bounds that hold in 99 of 100 such runs"


def side(turns: Turns, settings: Settings) -> Outcome:
    """The three beside each other; ratios are of the turns of one round, which the machine treated alike."""
    bare, pipeline, loop = turns["bare"], turns["pipeline"], turns["by hand"]
    figures: dict[str, Figure] = {}
    for name, own in turns.items():
        figures[name] = figure(own, lambda turn: turn.fps, "fps", "higher")
        figures[f"{name} CPU"] = figure(own, lambda turn: turn.cpu_ms, "ms", "lower")
    figures["pipeline/bare"] = _ratio(pipeline, bare)
    figures["pipeline/by hand"] = _ratio(pipeline, loop)
    figures["p50"] = figure(pipeline, lambda turn: plain(turn.ms["busy"], 0.5), "ms", "lower")
    figures["p95"] = figure(pipeline, lambda turn: plain(turn.ms["busy"], 0.95), "ms", "lower")
    figures |= {f"CPU {role}": _thread(pipeline, role) for role in ROLES if role in pipeline[0].threads_s}
    alone = (
        "1 interpreter" if settings.workers == 1 else f"{settings.workers} interpreters on {settings.workers} threads"
    )
    about = (
        f"bare: invoke alone, {alone}; pipeline: {_workers(settings)}, results that "
        "the broker has acknowledged; by hand: OpenCV, the runtime and paho in one loop"
    )
    return Outcome(scenario="side", about=about, figures=figures, notes=_notes(pipeline))


def _thread(turns: Sequence[Turn], role: str) -> Figure:
    return figure(turns, lambda turn: turn.threads_s[role] * 1e3 / max(1, turn.frames), "ms", "lower")


def _ratio(ours: Sequence[Turn], theirs: Sequence[Turn]) -> Figure:
    pairs = {id(one): other for one, other in zip(ours, theirs, strict=True)}
    return figure(ours, lambda turn: turn.fps / pairs[id(turn)].fps, "x", "higher")


def single(turns: Turns, settings: Settings) -> Outcome:
    """One frame at a time."""
    own = turns["single"]
    figures = _latencies(own, "latency") | _rates(own)
    return Outcome(
        scenario="single",
        about=f"a frame at a time, the next when the last is answered: preparation, inference, decoding; {BOUNDS}",
        figures=figures,
        stages_ms=medians(own, [name for name in own[0].ms if name != "latency"]),
        curves={"latency": curve(together(own, "latency"))},
    )


def multi(turns: Turns, settings: Settings) -> Outcome:
    """Eight at a time."""
    own = turns["multi"]
    return Outcome(
        scenario="multi",
        about=f"queries of 8 frames, {_workers(settings)}: until the last answer; {BOUNDS}",
        figures=_latencies(own, "query") | _rates(own),
        curves={"query": curve(together(own, "query"))},
    )


def offline(turns: Turns, settings: Settings) -> Outcome:
    """Throughput."""
    own = turns["offline"]
    frames = sum(turn.frames for turn in own) // len(own)
    return Outcome(
        scenario="offline",
        about=f"some {frames} frames a round, all there at the start, {_workers(settings)}",
        figures=_rates(own),
    )


def live(turns: Turns, settings: Settings) -> Outcome:
    """From capture to a subscriber."""
    own = turns["live"]
    counts: dict[str, int] = {}
    for turn in own:
        for name, count in turn.counts.items():
            counts[name] = counts.get(name, 0) + count
    names = [name for name in own[0].ms if name not in TOTALS]
    ordered = [name for name in STAGES if name in names] + [name for name in names if name not in STAGES]
    kinds = [name for name in TOTALS if together(own, name)]
    figures = _latencies(own, "latency")
    for kind in TOTALS[1:]:
        found = _latencies(own, kind)
        if kind != "event":  # those of results were counted, and of events each has all
            del found["samples"]
        figures |= {f"{kind} {name}": one for name, one in found.items()}
    figures["CPU"] = figure(own, lambda turn: turn.cpu_ms, "ms", "lower")
    figures |= {name: Figure(value=count, unit="") for name, count in counts.items()}
    return Outcome(
        scenario="live",
        about=f"a source of {settings.fps:g} fps, the pipeline, the outbox on the disk, the broker, a subscriber in "
        "another process: from capture until it has the result; added: without the model's own inference; event: the "
        f"same for events, which {EVERY} results bring one of; kept: until a power cut cannot take it; {BOUNDS}",
        figures=figures,
        stages_ms=medians(own, ordered),
        curves={name: curve(together(own, name)) for name in kinds},
        notes=_notes(own),
    )


def start(turns: Turns, settings: Settings) -> Outcome:
    """From nothing to a result."""
    own = turns["start"]
    first = Figure(value=round(own[0].ms["total"][0], 2), unit="ms")
    return Outcome(
        scenario="start",
        about="a fresh process each: Python, imports, the model, its first answer, the broker's acknowledgement of it",
        figures={"total": median_figure(own, "total"), "the first": first}
        | {name: median_figure(own, name) for name in STEPS},
        stages_ms=medians(own, STEPS),
        notes=("the first start may have read its files from the disk, the others had them in memory",),
    )


def _latencies(turns: Sequence[Turn], name: str) -> dict[str, Figure]:
    """The median, and bounds of the percentiles that the samples bear."""
    found, rounds = together(turns, name), [turn.ms.get(name, []) for turn in turns]
    return {
        "samples": Figure(value=len(found), unit=""),
        "p50": median_figure(turns, name),
        "p90": bound(found, 0.9, rounds),
        "p99": bound(found, 0.99, rounds),
    }


def _rates(turns: Sequence[Turn]) -> dict[str, Figure]:
    return {
        "fps": figure(turns, lambda turn: turn.fps, "fps", "higher"),
        "CPU": figure(turns, lambda turn: turn.cpu_ms, "ms", "lower"),
    }


def _workers(settings: Settings) -> str:
    return f"{settings.workers} worker{'s' * (settings.workers != 1)}"


def _notes(turns: Sequence[Turn]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for turn in turns for note in turn.notes))


SUMMARIES: dict[str, Callable[[Turns, Settings], Outcome]] = {
    "side": side,
    "single": single,
    "multi": multi,
    "offline": offline,
    "live": live,
    "start": start,
}
