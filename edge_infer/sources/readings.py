"""Texts that sensors send, and what they say: numbers in columns, or fields of JSON."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edge_infer.types import Array

Row: TypeAlias = tuple[Array, object]  # readings `(1, channels)`, and the time as it was written, None where none was
LEFT_OUT = "_"  # name of a column that is none
# What stands for a value that was not measured, in any case. Source: pandas.read_csv, na_values, the usual of them
MISSING = frozenset({"", "-", "--", "?", "na", "n/a", "nan", "nil", "none", "null"})
DEEPEST = 8  # objects in objects: more is no reading
_UNIT = re.compile(r"(?P<name>.*\S)\s*[\[(](?P<unit>[^\])]*)[\])]")


class NotARow(Exception):  # noqa: N818 - control flow: whoever reads counts it
    """A text without readings; `cause` is what it is counted as: "garbage", "channels"."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def number(text: str, *, decimal_comma: bool = False) -> float:
    """The value of a cell; NaN where nothing was measured.

    Raises:
        ValueError: it is no number.
    """
    text = text.strip()
    if text.lower() in MISSING:
        return math.nan
    return float(text.replace(",", ".", 1) if decimal_comma else text)


def is_number(text: str, *, decimal_comma: bool = False) -> bool:
    """True for what `number` reads."""
    try:
        number(text, decimal_comma=decimal_comma)
    except ValueError:
        return False
    return True


def name_and_unit(cell: str) -> tuple[str, str]:
    """What a cell of a header says: `accel_x [m/s^2]` and `temp (degC)` have units."""
    found = _UNIT.fullmatch(cell.strip())
    return (found["name"], found["unit"].strip()) if found else (cell.strip(), "")


def values_of(numbers: Sequence[float]) -> Array:
    """One row `(1, len) float32`; what float32 cannot hold is missing."""
    with np.errstate(over="ignore"):
        row = np.array([numbers], np.float64).astype(np.float32)
    row[~np.isfinite(row)] = np.nan
    return row


@dataclass
class Layout:
    """Which numbers of a text are readings; it is learned from the first where nobody has said it.

    Attributes:
        columns: names of what comes in order; LEFT_OUT for what is none; empty: not yet known
        units: of the channels
        time: name of the column that is the time; "": none is
    """

    columns: tuple[str, ...]
    units: tuple[str, ...] = ()
    time: str = ""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the readings of a row."""
        return tuple(name for name in self.columns if name not in (LEFT_OUT, self.time))

    def line(self, text: str) -> Row | None:
        """Readings `(1, channels)` and time of a line of JSON, `name:value` pairs or numbers; None for a header.

        Raises:
            NotARow: none of these, or of other channels.
        """
        if text[:1] in ("{", "["):
            return self.json(text.encode())
        cells, decimal_comma = split(text)
        pairs = [cell.partition(":") for cell in cells]
        if all(colon and is_number(value) for _, colon, value in pairs):
            return self.fields({name.strip(): number(value) for name, _, value in pairs})
        if not any(is_number(cell, decimal_comma=decimal_comma) for cell in cells):
            self._header(cells)
            return None
        return self._cells(cells, decimal_comma=decimal_comma)

    def json(self, payload: bytes) -> Row:
        """Readings `(1, channels)` and time of an object, an array or a number.

        Raises:
            NotARow: it is no JSON, or holds other channels.
        """
        return self.said(from_json(payload))

    def said(self, said: object) -> Row:
        """The same, of what JSON said."""
        if isinstance(said, list) and not any(isinstance(value, dict | list) for value in said):
            return self._in_order([_field(value) for value in said], said)
        if isinstance(said, dict | list):
            return self.fields(flat(said))
        return self._in_order([_field(said)], [said])

    def fields(self, found: Mapping[str, object]) -> Row:
        """The same, of fields by their names; those that are not there are missing.

        Raises:
            NotARow: none of the channels is there.
        """
        numbers = {name: _field(value) for name, value in found.items()}
        readings = {name: value for name, value in numbers.items() if value is not None}
        if not self.columns:
            self.columns = tuple(readings)
        if not self.channels or not any(name in readings for name in self.channels):
            raise NotARow("channels")
        return values_of([readings.get(name, math.nan) for name in self.channels]), found.get(self.time)

    def _header(self, cells: Sequence[str]) -> None:
        names = [name_and_unit(cell) for cell in cells]
        if not self.columns:
            self.columns = tuple(name or LEFT_OUT for name, _ in names)
            named = [(name, unit) for name, unit in names if name in self.channels]
            self.units = self.units or (tuple(unit for _, unit in named) if any(unit for _, unit in named) else ())
        elif len(names) != len(self.columns):
            raise NotARow("garbage")

    def _cells(self, cells: Sequence[str], *, decimal_comma: bool) -> Row:
        self._expect(len(cells))
        try:
            numbers = [
                math.nan if name in (LEFT_OUT, self.time) else number(cell, decimal_comma=decimal_comma)
                for name, cell in zip(self.columns, cells, strict=True)
            ]
        except ValueError as error:
            raise NotARow("garbage") from error
        return self._in_order(numbers, cells)

    def _in_order(self, numbers: Sequence[float | None], raw: Sequence[object]) -> Row:
        self._expect(len(numbers))
        named = [pair for pair in zip(self.columns, numbers, strict=True) if pair[0] not in (LEFT_OUT, self.time)]
        readings = [value for _, value in named if value is not None]
        if len(readings) < len(named):
            raise NotARow("garbage")
        return values_of(readings), raw[self.columns.index(self.time)] if self.time in self.columns else None

    def _expect(self, count: int) -> None:
        if not self.columns:
            self.columns = tuple(f"ch{place}" for place in range(count))
        if count != len(self.columns) or not self.channels:
            raise NotARow("channels")


def from_json(payload: bytes) -> object:
    """What JSON says; NaN and Infinity, which are none, are understood: many sensors send them.

    Raises:
        NotARow: it is no JSON.
    """
    try:
        said: object = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NotARow("garbage") from error
    return said


def split(line: str) -> tuple[list[str], bool]:
    """The cells of a line, and whether their decimals are written with a comma."""
    for separator in (";", "\t"):
        if separator in line:
            return line.split(separator), "," in line and "." not in line
    return (line.split(",") if "," in line else line.split()), False


def flat(value: object, path: str = "", depth: int = 0) -> dict[str, object]:
    """What is inside objects and arrays, by its path: `acc.x`, `values.0`."""
    inner: list[tuple[str, object]]
    if isinstance(value, dict):
        inner = [(str(name), one) for name, one in value.items()]
    elif isinstance(value, list):
        inner = [(str(place), one) for place, one in enumerate(value)]
    else:
        return {path: value}
    found: dict[str, object] = {}
    for name, one in inner if depth < DEEPEST else ():
        found |= flat(one, f"{path}.{name}" if path else name, depth + 1)
    return found


def _field(value: object) -> float | None:
    """A number that JSON said, NaN for null; None for what is no number."""
    if value is None:
        return math.nan
    if isinstance(value, bool | int | float):
        return float(value) if abs(value) < 1e300 else math.nan
    return number(value) if isinstance(value, str) and is_number(value) else None
