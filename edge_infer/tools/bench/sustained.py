"""The pipeline at full load for minutes: whether it gets slower, hotter or larger."""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from edge_infer.health.growth import KNOWN_AFTER, Slope
from edge_infer.health.hardware import ROOT, temperature_c, throttling
from edge_infer.health.process import this_process
from edge_infer.tools.bench.given import Given, Ring
from edge_infer.tools.bench.record import Figure, Outcome, Series, Settings
from edge_infer.tools.bench.running import running, settled
from edge_infer.tools.bench.turn import Turn

WINDOW_S = 10.0
FEWEST = 6  # windows, in a short run shorter ones


@dataclass
class Looked:
    """What was seen at the end of each window; the first is the beginning."""

    at_s: list[float] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    degrees: list[float | None] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    slowed: tuple[str, ...] | None = None  # what the firmware said last

    def look(self, at_s: float, results: int, root: Path) -> None:
        """Once more."""
        self.at_s.append(at_s)
        self.results.append(results)
        self.degrees.append(temperature_c(root))
        self.rss_bytes.append(this_process().rss_bytes)
        found = throttling(root)
        slowed = found.now if found else None
        if slowed is not None and (slowed != self.slowed or not self.notes):
            self.notes.append(f"at {at_s:.0f} s {self._hot()}: {', '.join(slowed) or 'not throttled'}")
        self.slowed = slowed

    def _hot(self) -> str:
        return "" if self.degrees[-1] is None else f"and {self.degrees[-1]:.0f} °C"

    def rates(self) -> tuple[float, ...]:
        """Results a second of each window."""
        between = zip(self.at_s, self.at_s[1:], self.results, self.results[1:], strict=False)
        return tuple(round((r1 - r0) / (t1 - t0), 2) for t0, t1, r0, r1 in between)


def sustained(given: Given, settings: Settings, url: str, root: Path = ROOT) -> tuple[Outcome, Turn]:
    """Minutes at full speed; results count when they are acknowledged."""
    total_s = settings.minutes * 60.0
    window_s = min(WINDOW_S, total_s / FEWEST)
    looked = Looked()
    with running(given, settings, url, lambda: Ring(given), lambda _frame, _result: None) as run:
        run.wait_acknowledged(more_than=0)
        first, began = run.wait_acknowledged(run.acknowledged)
        cpu = time.process_time()
        looked.look(0.0, first, root)
        while (done_s := time.monotonic() - began) < total_s:
            run.rest(min(window_s, total_s - done_s))
            looked.look(time.monotonic() - began, run.acknowledged, root)
        cpu_seconds, last, ended = time.process_time() - cpu, run.acknowledged, time.monotonic()
        notes = settled(run)
    turn = Turn(last - first, ended - began, cpu_seconds, began, ended, notes=notes)
    return outcome(looked, turn, settings), turn


def outcome(looked: Looked, turn: Turn, settings: Settings) -> Outcome:
    """What it amounts to."""
    rates = looked.rates()
    slope = Slope()
    for at_s, rss_bytes in zip(looked.at_s, looked.rss_bytes, strict=True):
        slope.add(at_s, rss_bytes)
    fifth = max(1, len(rates) // 5)
    growth = Figure(
        value=None if slope.per_hour is None else round(slope.per_hour / 1e6, 2),
        unit="MB/h",
        reason=f"needs {KNOWN_AFTER} looks, has {len(looked.at_s)}" if slope.per_hour is None else None,
    )
    figures = {
        "fps": Figure(value=round(turn.fps, 2), unit="fps", better="higher", rounds=rates),
        "first fifth": Figure(value=round(statistics.mean(rates[:fifth]), 2), unit="fps"),
        "last fifth": Figure(value=round(statistics.mean(rates[-fifth:]), 2), unit="fps"),
        "CPU": Figure(value=round(turn.cpu_ms, 3), unit="ms", better="lower"),
        "RSS": Figure(value=round(looked.rss_bytes[-1] / 1e6, 1), unit="MB"),
        "peak RSS": Figure(value=round(max(_peak_bytes(), *looked.rss_bytes) / 1e6, 1), unit="MB"),
        "RSS growth": growth,
        "hottest": _degrees(looked.degrees),
    }
    times = tuple(round(at, 2) for at in looked.at_s)
    series = {
        "results": Series(unit="fps", at_s=times[1:], values=rates),
        "RSS": Series(unit="MB", at_s=times, values=tuple(round(size / 1e6, 1) for size in looked.rss_bytes)),
    }
    if figures["hottest"].value is not None:
        series["temperature"] = Series(unit="°C", at_s=times, values=tuple(looked.degrees))
    about = f"the pipeline at full load for {settings.minutes:g} min; memory is of this process, models and all"
    notes = (*turn.notes, *(looked.notes or ("this machine does not say whether it is throttled",)))
    return Outcome(scenario="sustained", about=about, figures=figures, series=series, notes=notes)


def _degrees(looked: list[float | None]) -> Figure:
    known = [degrees for degrees in looked if degrees is not None]
    reason = None if known else "there is no sensor that can be read"
    return Figure(value=max(known, default=None), unit="°C", reason=reason)


def _peak_bytes() -> int:
    """Of this process. Source: proc(5), /proc/pid/status, VmHWM, in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
