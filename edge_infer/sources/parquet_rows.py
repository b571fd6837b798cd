"""Rows of a Parquet file, with pyarrow."""

import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.readings import name_and_unit
from edge_infer.sources.sensor_settings import TableSettings
from edge_infer.sources.table_columns import Chunk, Columns, choose
from edge_infer.sources.times import ToSeconds, to_seconds
from edge_infer.types import Array

ROWS = 4096  # of a chunk


class ParquetTable:
    """A file of rows, read once from its beginning; a column's unit may stand in its name, or its metadata (`unit`)."""

    def __init__(self, settings: TableSettings) -> None:
        self._path = settings.uri
        try:
            import pyarrow as pa
            from pyarrow import parquet
            from pyarrow import types as kinds
        except ImportError as error:
            raise UnavailableError("Parquet files need pyarrow: pip install edge-infer[parquet]") from error
        try:
            self._file: Any = parquet.ParquetFile(self._path)
        except OSError as error:
            raise UnavailableError(f"cannot read {self._path} ({error.strerror or error}): check the path") from error
        except pa.ArrowException as error:
            raise InputError(f"{self._path} is no Parquet file, or is damaged ({error})") from error
        fields = list(self._file.schema_arrow)
        numeric = [
            any(is_kind(field.type) for is_kind in (kinds.is_integer, kinds.is_floating, kinds.is_boolean))
            for field in fields
        ]
        timely = [
            number or kinds.is_timestamp(field.type) or kinds.is_string(field.type)
            for number, field in zip(numeric, fields, strict=True)
        ]
        try:
            self.columns: Columns = choose(self._path, [_name(field) for field in fields], numeric, timely, settings)
        except InputError:
            self.close()
            raise
        self._settings = settings
        self._read_time: ToSeconds | None = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(self) -> Iterator[Chunk]:
        """The rows, ROWS at a time.

        Raises:
            InputError: a time is none.
        """
        columns, before = self.columns, 0
        for batch in self._file.iter_batches(ROWS):
            values = np.stack([_numbers(batch.column(place)) for place in columns.values], axis=1)
            times = None if columns.time is None else self._times(batch.column(columns.time), before)
            cases = None if columns.case is None else batch.column(columns.case).to_pylist()
            before += len(values)
            if len(values):
                yield Chunk(values, times, cases)

    def _times(self, column: Any, before: int) -> list[float]:
        if hasattr(column.type, "unit"):  # of a time stamp: whole units since 1970
            scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[column.type.unit]
            found = [math.nan if time is None else time * scale for time in column.cast("int64").to_pylist()]
        else:
            found = [self._time(time) for time in column.to_pylist()]
        wrong = next((place for place, time in enumerate(found) if math.isnan(time)), None)
        if wrong is not None:
            raise InputError(f"{self._path}: row {before + wrong + 1} has no time in '{self.columns.time_name}'")
        return found

    def _time(self, time: object) -> float:
        try:
            if self._read_time is None:
                columns = self.columns
                self._read_time = to_seconds(columns.time_name, columns.time_unit, time, self._settings.time_unit)
            return self._read_time(time.isoformat() if isinstance(time, date) else time)
        except ValueError:
            return math.nan


def _name(field: Any) -> tuple[str, str]:
    name, unit = name_and_unit(field.name)
    said = (field.metadata or {}).get(b"unit", b"").decode(errors="replace")
    return name, unit or said


def _numbers(column: Any) -> Array:
    values = np.array([math.nan if value is None else value for value in column.to_pylist()], np.float64)
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def is_parquet(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in (".parquet", ".pq")
