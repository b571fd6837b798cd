"""Readings from a file, as fast as they are asked for or at the pace at which they were recorded."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import TypeAlias

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.csv_rows import CsvTable
from edge_infer.sources.parquet_rows import ParquetTable, is_parquet
from edge_infer.sources.sensor_settings import TableSettings
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.sources.table_columns import Chunk
from edge_infer.types import Array, Frame, Span

Block: TypeAlias = tuple[Array, Span, float | None]  # ... and media_s

BLOCK = 64  # rows of a table that has a rate; at 50 Hz that is more than a second
STEP_S = 1.0  # from one recording to the next, where the times of one that has no second row do not tell


class TableSource(BaseSource):
    """Every row of a CSV or Parquet file; `media_s` counts from the first.

    With times, or with neither times nor a rate, a block is one row and `span.rate_hz` is 0; with `rate_hz` it is up to
    BLOCK of them. Where another recording begins (the column `case` changes, the file is read again), samples count
    from 0 anew. So they do where the times step back, which `skipped` counts as "clock".
    """

    def __init__(self, settings: TableSettings, *, name: str = "") -> None:
        super().__init__(name or settings.uri.name, live=False)
        self._settings = settings
        if settings.pace == "realtime":
            self.patience_s = settings.max_pause_s
        self._number = 0  # of the next block
        self._start = 0  # sample number of the next row
        self._rows = 0  # that were given
        self._shift_s = 0.0  # from times in the file to media_s
        self._time_s: float | None = None  # of the last row in the file
        self._step_s = STEP_S  # from the row before to the last
        self._media_s = 0.0  # of the last row
        self._case: object = None  # ... what its column says
        self._again = False  # the next row is the first of another round
        self._started: float | None = None  # monotonic: media_s 0
        if not settings.uri.is_file():
            raise UnavailableError(f"there is no table at {settings.uri}: check the path")
        self._table = self._open()  # what is wrong with it is said now
        if settings.pace == "realtime" and self._table.columns.time is None and not settings.rate_hz:
            self._table.close()
            raise InputError(f"{settings.uri} does not say when its rows were taken: for pace realtime say its rate_hz")
        self._blocks = self._walk()

    def read(self) -> Frame:
        """The next block of rows.

        Raises:
            InputError: a line of the file cannot be read.
            EndOfStream: there are no more.
        """
        for data, span, media_s in self._blocks:
            if self._settings.pace == "realtime":
                self._wait(media_s or 0.0)
            if self._interrupted.is_set():
                break
            at, ns = clocks()
            self._number += 1
            return Frame(self.name, self._number - 1, data, at, ns, str(self._settings.uri), span, media_s)
        raise EndOfStream

    def close(self) -> None:
        """Close the file."""
        self.interrupt()
        self._table.close()

    def _open(self) -> CsvTable | ParquetTable:
        if is_parquet(self._settings.uri):
            return ParquetTable(self._settings)
        return CsvTable(self._settings, self.skipped)

    def _walk(self) -> Iterator[Block]:
        while True:
            with closing(self._table) as table:
                for chunk in table.chunks():
                    yield from self._blocks_of(chunk)
            if not self._settings.loop or self._interrupted.is_set():
                return
            self._table, self._again = self._open(), True

    def _blocks_of(self, chunk: Chunk) -> Iterator[Block]:
        rate_hz, columns = self._settings.rate_hz, self._table.columns
        begins = self._beginnings(chunk.cases)
        cuts = sorted({*range(0, len(chunk.values), BLOCK if rate_hz else 1), *begins})
        for first, last in pairwise([*cuts, len(chunk.values)]):
            if first in begins:
                self._start = 0
            self._rows += last - first
            media_s: float | None = None
            if rate_hz:
                media_s = (self._rows - 1) / rate_hz
            elif chunk.times is not None:
                media_s = self._dated(chunk.times[first], anew=first in begins)
            start, self._start = self._start, self._start + last - first
            span = Span(start, last - first, rate_hz or 0.0, columns.channels, columns.units)
            yield chunk.values[first:last], span, media_s

    def _beginnings(self, cases: Sequence[object] | None) -> set[int]:
        """Rows with which another recording begins."""
        begins = {0} if self._again else set()
        self._again = False
        if cases is not None:
            before = cases[0] if self._rows == 0 else self._case
            begins |= {place for place, (one, other) in enumerate(pairwise([before, *cases])) if one != other}
            self._case = cases[-1]
        return begins

    def _dated(self, time_s: float, *, anew: bool) -> float:
        """`media_s` of a row, which never steps back."""
        if self._time_s is None:
            self._shift_s = -time_s
        elif time_s < self._time_s:
            if not anew:
                self.skipped["clock"] += 1
                self._start = 0
            self._shift_s = self._media_s + self._step_s - time_s
        elif time_s > self._time_s and not anew:
            self._step_s = time_s - self._time_s
        self._time_s, self._media_s = time_s, time_s + self._shift_s
        return self._media_s

    def _wait(self, media_s: float) -> None:
        now = time.monotonic()
        if self._started is None:
            self._started = now - media_s
        pause = self._started + media_s - now
        longest = self._settings.max_pause_s
        if pause > longest:
            self._started -= pause - longest
        self._interrupted.wait(max(0.0, min(pause, longest)))
