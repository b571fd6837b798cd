"""All models and scenarios in rounds, so that what else the machine does hits all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import msgspec

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.model_file import read_model
from edge_infer.health.hardware import ROOT, temperature_c, throttling
from edge_infer.runtime.quiet import caught_stderr
from edge_infer.tools.bench import cold, contenders, live, scenarios
from edge_infer.tools.bench.contenders import make_interpreter
from edge_infer.tools.bench.energy import Recording, find_sensor
from edge_infer.tools.bench.facts import machine_facts, model_facts
from edge_infer.tools.bench.given import Given, given, open_model, shown
from edge_infer.tools.bench.outcomes import SUMMARIES
from edge_infer.tools.bench.record import Figure, ModelFacts, ModelReport, Outcome, Power, Report, Settings
from edge_infer.tools.bench.sustained import sustained
from edge_infer.tools.bench.turn import Turn
from edge_infer.tools.local_broker import local_broker

IDLE_S = 10.0  # of doing nothing, before: what is taken then is no cost of inference
Contender: TypeAlias = Callable[[Given, Settings, str], Turn]

CONTENDERS: dict[str, dict[str, Contender]] = {
    "side": {"bare": contenders.bare, "pipeline": contenders.pipeline, "by hand": contenders.handwritten},
    "single": {"single": scenarios.single},
    "multi": {"multi": scenarios.multi},
    "offline": {"offline": scenarios.offline},
    "live": {"live": live.live},
    "start": {"start": cold.start},
}
USES_ENERGY = {"side": "pipeline", "single": "single", "multi": "multi", "offline": "offline", "live": "live"}


@dataclass
class Subject:
    """One model, and its turns by scenario and contender."""

    name: str
    given: Given
    facts: ModelFacts
    turns: dict[str, dict[str, list[Turn]]] = field(default_factory=dict)
    lasting: list[tuple[Outcome, Turn]] = field(default_factory=list)


def bench(
    models: Sequence[Path], settings: Settings, *, progress: Callable[[str], object], root: Path = ROOT
) -> Report:
    """Measure; `progress` is told before each of `steps(...)`.

    Raises:
        EdgeInferError: a model cannot be used, or there is no broker.
    """
    began, date = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    machine = machine_facts(settings.state_dir, root)
    subjects = [_subject(path, settings) for path in models]
    sensor, reason = find_sensor(settings.power, root)
    slowed: set[str] = set()
    with ExitStack() as opened:
        recording = opened.enter_context(Recording(sensor)) if sensor else None
        idle = _rest() if sensor else (0.0, 0.0)
        url = opened.enter_context(local_broker())
        for number in range(settings.rounds):
            for subject, scenario, name in _tasks(subjects, settings, number):
                progress(f"round {number + 1}/{settings.rounds}: {subject.name} {name}")
                turn = CONTENDERS[scenario][name](subject.given, settings, url)
                subject.turns.setdefault(scenario, {}).setdefault(name, []).append(turn)
                slowed |= _hindered(root)
        for subject in subjects if settings.minutes else ():
            progress(f"{subject.name} for {settings.minutes:g} minutes")
            subject.lasting.append(sustained(subject.given, settings, url, root))
            slowed |= _hindered(root)
        if recording:
            _await_reading(recording, time.monotonic())
    power = _power(recording, idle, reason)
    return Report(
        date=date,
        seconds=round(time.monotonic() - began, 1),
        settings=settings,
        machine=machine,
        throttled=tuple(sorted(slowed)),
        temperature_end_c=temperature_c(root),
        power=power,
        models=tuple(_reported(subject, settings, recording, power) for subject in subjects),
    )


def steps(models: int, settings: Settings) -> int:
    """How often `bench` tells its progress."""
    contending = sum(len(CONTENDERS[scenario]) for scenario in settings.scenarios)
    return models * (settings.rounds * contending + (1 if settings.minutes else 0))


def _subject(path: Path, settings: Settings) -> Subject:
    bundle = open_bundle(path)
    with open_model(path, settings) as model:
        file = bundle.path if model.device == "cpu" else bundle.edgetpu or bundle.path
        what = given(path, model, file, settings)
        own = settings if model.device == "cpu" else msgspec.structs.replace(settings, device="cpu")
        read = read_model(file)
        with caught_stderr():
            interpreter = None if read.edgetpu else make_interpreter(what, own)
        return Subject(bundle.name, what, model_facts(model, read, interpreter, shown(what.frames[0], settings)))


def _tasks(subjects: Sequence[Subject], settings: Settings, number: int) -> list[tuple[Subject, str, str]]:
    """The turns of a round; every other one goes backwards, so that nobody always comes after the same."""
    found = [
        (subject, scenario, name)
        for subject in subjects
        for scenario in settings.scenarios
        for name in CONTENDERS[scenario]
    ]
    return found if number % 2 == 0 else found[::-1]


def _hindered(root: Path) -> set[str]:
    found = throttling(root)
    return set(found.now) if found else set()


def _rest() -> tuple[float, float]:
    """From when to when nothing was done."""
    began = time.monotonic()
    time.sleep(IDLE_S)
    return began, time.monotonic()


def _await_reading(recording: Recording, moment: float) -> None:
    """The last turn is known only when the sensor was asked after it."""
    deadline = moment + 3 * recording.sensor.every_s + 1.0
    while recording.last_at <= moment and time.monotonic() < deadline:
        time.sleep(0.01)


def _power(recording: Recording | None, idle: tuple[float, float], reason: str) -> Power:
    if recording is None:
        return Power(reason=reason)
    began, ended = idle
    joules = recording.joules(max(began, recording.first_at), ended)
    if joules is None:
        return Power(reason=f"{recording.sensor.method} gave too few readings")
    seconds = ended - max(began, recording.first_at)
    return Power(method=recording.sensor.method, idle_w=round(joules / seconds, 4), idle_s=round(seconds, 1))


def _reported(subject: Subject, settings: Settings, recording: Recording | None, power: Power) -> ModelReport:
    outcomes = []
    for scenario, turns in subject.turns.items():
        outcome = SUMMARIES[scenario](turns, settings)
        costly = turns.get(USES_ENERGY.get(scenario, ""))
        outcomes.append(with_energy(outcome, costly, recording, power) if costly else outcome)
    outcomes += [with_energy(outcome, [turn], recording, power) for outcome, turn in subject.lasting]
    report = ModelReport(model=subject.name, facts=subject.facts, outcomes=tuple(outcomes))
    side = next((one.figures for one in outcomes if one.scenario == "side"), None)
    return _flat(report, side) if side else report


def with_energy(outcome: Outcome, turns: Sequence[Turn], recording: Recording | None, power: Power) -> Outcome:
    """What the turns took beyond the idle machine, for each inference and in all."""
    if recording is None or power.idle_w is None:  # why is said once, in the report's `power`
        return outcome
    watts, joules = [], []
    for turn in turns:
        taken, seconds = recording.joules(turn.began, turn.ended), turn.ended - turn.began
        if taken is not None and turn.frames:
            watts.append(taken / seconds)
            joules.append((taken - power.idle_w * seconds) / turn.frames)
    found = {
        "power": _median(watts, "W", "the sensor gave too few readings"),
        "energy": _median([one for one in joules if one > 0], "J", "the machine took no more than when it was idle"),
    }
    return msgspec.structs.replace(outcome, figures=outcome.figures | found)


def _median(values: Sequence[float], unit: str, reason: str) -> Figure:
    if not values:
        return Figure(value=None, unit=unit, better="lower", reason=reason)
    rounds = tuple(round(value, 6) for value in values)
    return Figure(value=sorted(rounds)[len(rounds) // 2], unit=unit, better="lower", rounds=rounds)


def _flat(report: ModelReport, side: Mapping[str, Figure]) -> ModelReport:
    return msgspec.structs.replace(
        report,
        bare_fps=side["bare"].value,
        bare_cpu_ms=side["bare CPU"].value,
        pipeline_fps=side["pipeline"].value,
        cpu_ms=side["pipeline CPU"].value,
        p50_ms=side["p50"].value,
        p95_ms=side["p95"].value,
        loop_fps=side["by hand"].value,
        loop_cpu_ms=side["by hand CPU"].value,
    )
