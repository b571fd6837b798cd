"""Rows of a CSV file, however its writer separates cells and decimals."""

import csv
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.readings import is_number, name_and_unit, number
from edge_infer.sources.sensor_settings import TableSettings
from edge_infer.sources.table_columns import Chunk, Columns, choose
from edge_infer.sources.times import ToSeconds, iso_seconds, to_seconds

log = logging.getLogger(__name__)

LOOK = 65536  # bytes that tell encoding and separators
SAMPLE = 50  # rows that tell what is in a column
ROWS = 256  # of a chunk


class CsvTable:
    """A file of rows, read once from its beginning.

    Separators are `,` `;` tabs, `|` or spaces, decimals are written with `.` or `,`; lines that begin with # are
    comments. The first line is a header unless all its cells are numbers or times. A last line that was cut off is
    counted in `skipped` as "garbage".
    """

    def __init__(self, settings: TableSettings, skipped: Counter[str]) -> None:
        self._path = settings.uri
        self._skipped = skipped
        self._file = _opened(self._path)
        try:
            self._begin(settings)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(self) -> Iterator[Chunk]:
        """The rows, ROWS at a time.

        Raises:
            InputError: a line has other cells; the message has its number.
        """
        values: list[list[float]] = []
        times: list[float] = []
        cases: list[str] = []
        columns = self.columns
        for line, cells in self._whole_rows():
            values.append(self._values(line, cells))
            if columns.time is not None:
                times.append(self._time(line, cells[columns.time]))
            if columns.case is not None:
                cases.append(cells[columns.case])
            if len(values) == ROWS:
                yield _chunk(values, times, cases)
                values, times, cases = [], [], []
        if values:
            yield _chunk(values, times, cases)

    def _begin(self, settings: TableSettings) -> None:
        look = self._file.read(LOOK)
        lines = [line for line in look.splitlines()[: SAMPLE + 1] if line.strip() and not line.startswith("#")]
        if not lines or "\0" in look:
            raise InputError(f"{self._path} is {'no table of text' if lines else 'empty'}: give a CSV file")
        separator = _separator(lines)
        self._decimal_comma = separator != "," and _has_decimal_commas(lines, separator)
        self._file.seek(0)
        self._reader = csv.reader(self._file, delimiter=separator, skipinitialspace=True)
        rows = self._rows()
        first, *sample = list(islice(rows, 1 + SAMPLE)) or [(0, [""])]
        header = not all(self._is_number(cell) or is_time(cell) for cell in first[1])
        if header and not sample:
            raise InputError(f"{self._path} has a header line and no rows")
        body = sample if header else [first, *sample]
        self._ahead = chain(body, rows)
        self._width = len(first[1])
        names = [name_and_unit(cell) for cell in first[1]] if header else self._unnamed(settings)
        shown = [_shown([row[place] for _, row in body if place < len(row)]) for place in range(self._width)]
        self.columns: Columns = choose(
            self._path,
            names,
            [all(self._is_number(cell) for cell in cells) for cells in shown],
            [all(is_time(cell) or self._is_number(cell) for cell in cells) for cells in shown],
            settings,
        )
        self._read_time = self._time_reader(shown, settings)

    def _time_reader(self, shown: Sequence[Sequence[str]], settings: TableSettings) -> ToSeconds | None:
        columns = self.columns
        if columns.time is None:
            return None
        example = shown[columns.time][0] if shown[columns.time] else ""
        try:
            return to_seconds(columns.time_name, columns.time_unit, example, settings.time_unit)
        except ValueError as error:
            raise InputError(
                f"{self._path}: '{example}' in the column '{columns.time_name}' is no time: write seconds, or "
                "2025-01-31T12:00:00.5"
            ) from error

    def _unnamed(self, settings: TableSettings) -> list[tuple[str, str]]:
        """Names of the columns of a table without a header."""
        said = [settings.time, *settings.channels] if settings.time else list(settings.channels)
        for names in (settings.channels, said):
            if len(names) == self._width:
                return [(name, "") for name in names]
        return [(f"ch{place}", "") for place in range(self._width)]

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in self._reader:
                if cells and not cells[0].startswith("#") and any(cell.strip() for cell in cells):
                    yield self._reader.line_num, cells
        except csv.Error as error:
            raise InputError(f"{self._path}:{self._reader.line_num}: this is no CSV ({error})") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self._path} mixes encodings: save it as UTF-8") from error

    def _whole_rows(self) -> Iterator[tuple[int, list[str]]]:
        for line, cells in self._ahead:
            if len(cells) == self._width + 1 and not cells[-1].strip():  # a separator at the end of the line
                cells.pop()
            if len(cells) != self._width:
                if next(self._ahead, None) is None and len(cells) < self._width:
                    log.warning("%s ends in the middle of line %d: it was cut off", self._path, line)
                    self._skipped["garbage"] += 1
                    return
                raise InputError(f"{self._path}:{line}: there are {len(cells)} cells, the first line has {self._width}")
            yield line, cells

    def _values(self, line: int, cells: Sequence[str]) -> list[float]:
        try:
            return [float(cells[place]) for place in self.columns.values]
        except ValueError:
            return [self._number(line, place, cells) for place in self.columns.values]

    def _number(self, line: int, place: int, cells: Sequence[str]) -> float:
        try:
            return number(cells[place], decimal_comma=self._decimal_comma)
        except ValueError as error:
            name = self.columns.channels[self.columns.values.index(place)]
            raise InputError(f"{self._path}:{line}: '{cells[place]}' in the column '{name}' is no number") from error

    def _time(self, line: int, cell: str) -> float:
        assert self._read_time is not None, "there is a column of times"  # noqa: S101 - the caller has looked
        try:
            return self._read_time(cell)
        except ValueError as error:
            name = self.columns.time_name
            raise InputError(f"{self._path}:{line}: '{cell}' in the column '{name}' is no time") from error

    def _is_number(self, cell: str) -> bool:
        return is_number(cell, decimal_comma=self._decimal_comma)


def is_time(cell: str) -> bool:
    """True for a date and time in ISO 8601."""
    try:
        iso_seconds(cell)
    except ValueError:
        return False
    return True


def _chunk(values: list[list[float]], times: list[float], cases: list[str]) -> Chunk:
    with np.errstate(over="ignore"):
        data = np.array(values, np.float64).astype(np.float32)
    data[~np.isfinite(data)] = math.nan
    return Chunk(data, times or None, cases or None)


def _opened(path: Path) -> TextIO:
    """The file as text: UTF-8, UTF-16 with its mark, or else what Windows writes in western Europe."""
    try:
        with path.open("rb") as file:
            look = file.read(LOOK)
        if look[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return path.open(encoding="utf-16", newline="")
        try:
            (look if len(look) < LOOK else look[: look.rfind(b"\n") + 1]).decode("utf-8-sig")
        except UnicodeDecodeError:
            return path.open(encoding="cp1252", errors="replace", newline="")
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UnavailableError(f"cannot read {path} ({error.strerror}): check the path and its permissions") from error


def _separator(lines: Sequence[str]) -> str:
    """What stands between the cells of each line, spaces if nothing else does; `,` where there is one cell."""
    for separator in ("\t", ";", "|", ","):
        if all(separator in line for line in lines[:2]):
            return separator
    return " " if all(len(line.split()) > 1 for line in lines[:2]) else ","


def _has_decimal_commas(lines: Sequence[str], separator: str) -> bool:
    cells = [cell.strip() for line in lines for cell in line.split(separator)]
    return any(is_number(cell, decimal_comma=True) and "," in cell for cell in cells)


def _shown(cells: Sequence[str]) -> list[str]:
    """Cells in which something stands."""
    return [cell for cell in cells if not (is_number(cell) and math.isnan(number(cell)))]
