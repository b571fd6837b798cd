"""What a benchmark found, as its file keeps it: what was not measured is null, and says why."""

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from edge_infer.errors import InputError

SCHEMA = "edge-infer/bench@1"
Better: TypeAlias = Literal["higher", "lower", "neither"]


class Figure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure.

    Attributes:
        rounds: the same of each round by itself: what a comparison goes by
        better: which way is better; `neither`: it is no matter of better
        n: of how many samples a percentile is
        reason: why there is no value
    """

    value: float | None
    unit: str
    better: Better = "neither"
    rounds: tuple[float, ...] = ()
    n: int | None = None
    reason: str | None = None


class Curve(Struct, frozen=True, kw_only=True):
    """How `n` durations are spread: the one (ms) that each thousandth, from 0 to 1000, lies below."""

    n: int
    thousandths_ms: tuple[float, ...]


class Series(Struct, frozen=True, kw_only=True):
    """One quantity over time; null where it was not to be had."""

    unit: str
    at_s: tuple[float, ...]
    values: tuple[float | None, ...]


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one scenario found about one model.

    Attributes:
        about: what was done, in a sentence
        stages_ms: median of each stage
        notes: what a reader has to know of these figures
    """

    scenario: str
    about: str
    figures: dict[str, Figure] = {}
    stages_ms: dict[str, float] = {}
    curves: dict[str, Curve] = {}
    series: dict[str, Series] = {}
    notes: tuple[str, ...] = ()


class Delegated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many of a model's operators the delegate takes, in how many parts; null where that cannot be known."""

    operators: int
    delegated: int | None = None
    parts: int | None = None
    reason: str | None = None


class ModelFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which model was measured, on what."""

    sha256: str
    bytes: int
    task: str
    device: str
    graph: Delegated
    inputs: tuple[str, ...]
    shown: str  # what it was asked about
    fallback_reason: str | None = None


class ModelReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All about one model; the flat figures are those of the side-by-side, in one place for scripts."""

    model: str
    facts: ModelFacts
    outcomes: tuple[Outcome, ...] = ()
    bare_fps: float | None = None
    bare_cpu_ms: float | None = None
    pipeline_fps: float | None = None
    cpu_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    loop_fps: float | None = None
    loop_cpu_ms: float | None = None


class MachineFacts(Struct, frozen=True, kw_only=True):
    """What it was measured on; null: the machine does not say."""

    board: str | None
    processor: str | None
    arch: str
    cores: int
    memory_bytes: int | None
    system: str | None
    kernel: str | None
    governor: str | None
    load: float
    temperature_c: float | None
    throttled_now: tuple[str, ...] | None
    throttled_since_boot: tuple[str, ...] | None
    runtime: str
    python: str
    numpy: str
    opencv: str
    edge_infer: str
    commit: str | None
    outbox_on: str | None  # the file system of the folder for it
    broker: str | None


class Settings(Struct, frozen=True, kw_only=True):
    """What was asked for."""

    scenarios: tuple[str, ...]
    seconds: float = 2.0
    rounds: int = 5
    workers: int = 1
    threads: int = 1
    fps: float = 30.0
    minutes: float = 0.0
    device: str = "auto"
    delegate: str | None = None
    picture: str | None = None
    state_dir: str | None = None
    power: str | None = None


class Power(Struct, frozen=True, kw_only=True):
    """How energy was measured, and what the machine took before it had anything to do (W); or why it was not."""

    method: str | None = None
    idle_w: float | None = None
    idle_s: float | None = None
    reason: str | None = None


class Report(Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """One run of `edge-infer bench`."""

    date: str
    seconds: float
    settings: Settings
    machine: MachineFacts
    throttled: tuple[str, ...]  # what slowed it down while it was measured
    temperature_end_c: float | None
    power: Power
    models: tuple[ModelReport, ...]


def read_report(text: bytes, name: str) -> Report:
    """The report in a file's text.

    Raises:
        InputError: there is none in it.
    """
    try:
        return msgspec.json.decode(text, type=Report)
    except msgspec.DecodeError as error:
        raise InputError(f"{name} holds no report of `edge-infer bench --json` ({error}): measure anew") from error
