"""Which columns of a table are readings, which one is the time, and where another recording begins."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.config.words import did_you_mean
from edge_infer.errors import InputError
from edge_infer.sources.sensor_settings import TableSettings
from edge_infer.types import Array

_TIME = re.compile(
    r"(t|ts|time|times|timestamp|datetime|date_time|date|seconds_elapsed|elapsed|unix|epoch)([_ ]?(s|ms|us|ns|utc))?"
)
_CASE = ("case", "segment")


@dataclass(frozen=True)
class Columns:
    """Places of columns in a table.

    Attributes:
        values: the readings
        channels, units: ... their names and units
        time: None: there are no times
        time_name, time_unit: how it is called, and the unit beside that
        case: None: all rows are one recording
    """

    values: tuple[int, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    time: int | None
    time_name: str
    time_unit: str
    case: int | None


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table.

    Attributes:
        values: `(rows, channels) float32`, NaN where nothing was measured
        times: seconds of each row; None: there are none
        cases: what the column says of each row; None: there is none
    """

    values: Array
    times: Sequence[float] | None
    cases: Sequence[object] | None


def choose(
    path: Path,
    names: Sequence[tuple[str, str]],
    readable: Sequence[bool],
    timely: Sequence[bool],
    settings: TableSettings,
) -> Columns:
    """The columns that the settings name, or those that their names tell.

    Args:
        path: for messages
        names: name and unit of each column
        readable: which of them hold numbers
        timely: which of them hold times
        settings: what is said of them

    Raises:
        InputError: a column is not there, or none is a reading.
    """
    bare = [name for name, _ in names]
    time = _named(path, bare, settings.time) if settings.time else _first(bare, timely, _TIME.fullmatch)
    case = _named(path, bare, settings.case) if settings.case else _first(bare, [True] * len(bare), _CASE.__contains__)
    if settings.channels:
        values = [_named(path, bare, name) for name in settings.channels]
        wrong = [bare[place] for place in values if not readable[place]]
    else:
        values = [place for place, name in enumerate(bare) if name and readable[place] and place not in (time, case)]
        wrong = [] if values else [name or "(no name)" for name in bare]
    if wrong:
        raise InputError(f"{path}: there are no numbers in the column {', '.join(wrong)}: name others (channels: ...)")
    return Columns(
        tuple(values),
        tuple(bare[place] for place in values),
        tuple(names[place][1] for place in values) if any(names[place][1] for place in values) else (),
        time,
        "" if time is None else bare[time],
        "" if time is None else names[time][1],
        case,
    )


def _named(path: Path, names: Sequence[str], wanted: str) -> int:
    if wanted not in names:
        hint = did_you_mean(wanted, names) or f"it has {', '.join(names)}"
        raise InputError(f"{path} has no column '{wanted}': {hint}")
    return names.index(wanted)


def _first(names: Sequence[str], fitting: Sequence[bool], meant: Callable[[str], object]) -> int | None:
    return next((place for place, name in enumerate(names) if fitting[place] and meant(name.lower())), None)
