"""Rows that come when they come, put where a model expects its samples: evenly, at the rate of its training."""

import logging
import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from edge_infer.types import Array, Frame, Span, Wanted

log = logging.getLogger(__name__)

MAX_HOLE = 3.0  # samples: a sensor that leaves out two rows in a row is read on, one that is slower is not made up
SAME = 1e-3  # of a sample: what times in text, or of a clock of ms, are rounded to
WARN_AFTER = 10  # holes in a row: the sensor is slower than the model expects


class Grid:
    """Sample k stands k / rate_hz after the first row, and lies between the rows around it.

    Between rows that are further apart than `max_hole_s` there is nothing: `span.start` jumps. A clock that steps back
    begins anew, with sample 0, and is counted as "clock"; a row of the same time as the last as "repeated".
    """

    def __init__(self, wanted: Wanted, skipped: Counter[str]) -> None:
        assert wanted.rate_hz is not None, "there is a rate"  # noqa: S101 - the converter has looked
        self._rate_hz = wanted.rate_hz
        self._hole = (wanted.max_hole_s * wanted.rate_hz if wanted.max_hole_s else MAX_HOLE) + SAME
        self._hold = wanted.hold
        self._skipped = skipped
        self._number = 0  # of the next block
        self._row: Array | None = None  # the last
        self._at = 0.0  # where it is, in samples
        self._start_s = 0.0  # the time of sample 0
        self._known_at: Array | None = None  # where each value was given that is held
        self._last_start = -1
        self._holes = 0  # in a row

    def __call__(self, block: Frame) -> Iterable[Frame]:
        """The samples that are known now, as one block or none, for a block of one row."""
        span = block.span
        assert span is not None, "it is a block of samples"  # noqa: S101 - the converter has looked
        anew, self._last_start = span.start <= self._last_start, span.start
        row, clock_s = block.data[0], block.clock_s
        at = self._place(clock_s)
        if self._row is not None and not anew and at < self._at:
            self._skipped["clock"] += 1
            anew = True
        if self._row is None or anew:
            self._row, self._start_s, self._at, self._known_at = None, clock_s, 0.0, None
            self._row = self._known(row, 0.0)
            return (self._block(block, span, 0, self._row[np.newaxis], 0.0),)
        if at == self._at:
            self._skipped["repeated"] += 1
            return ()
        return self._up_to(block, span, self._known(row, at), at)

    def _place(self, clock_s: float) -> float:
        at = (clock_s - self._start_s) * self._rate_hz
        return float(round(at)) if abs(at - round(at)) < SAME else at

    def _up_to(self, block: Frame, span: Span, row: Array, at: float) -> Iterable[Frame]:
        """The samples after the last row, up to this one."""
        earlier, before = self._row, self._at
        assert earlier is not None, "there was a row"  # noqa: S101 - the caller has looked
        self._row, self._at = row, at
        first, last = math.floor(before) + 1, math.floor(at)
        hole = at - before > self._hole
        self._note(at - before, hole=hole)
        if hole:
            first = math.ceil(at)  # itself, where it stands on a sample
        if first > last:
            return ()
        if first == at:  # the usual row of a table: nothing lies between
            values = row[np.newaxis]
        else:
            values = self._between(earlier, row, (np.arange(first, last + 1) - before) / (at - before))
        return (self._block(block, span, first, values, (at - last) / self._rate_hz),)

    def _between(self, earlier: Array, later: Array, share: Array) -> Array:
        """Values at shares of the way from one row to the next, `(len(share), channels)`."""
        share = share[:, np.newaxis]
        if self._hold:
            return np.where(share < 1.0, earlier, later)
        between = earlier + (later - earlier) * share
        return np.where(share < 1.0, between, later).astype(np.float32)

    def _known(self, row: Array, at: float) -> Array:
        """The row; where values are held, with those that it does not give and that are not too old."""
        if not self._hold:
            return row
        given = ~np.isnan(row)
        if self._row is None or self._known_at is None:
            self._known_at = np.where(given, at, -np.inf)
            return row
        held = np.where(at - self._known_at <= self._hole, self._row, np.nan)
        self._known_at = np.where(given, at, self._known_at)
        return np.where(given, row, held).astype(np.float32)

    def _note(self, step: float, *, hole: bool) -> None:
        self._holes = self._holes + 1 if hole else 0
        if self._holes == WARN_AFTER:
            log.warning(
                "rows come every %.3g s and the model takes one every %.3g s: nothing is made up between them; see the "
                "unit of the times, rate_hz and max_hole_s",
                step / self._rate_hz,
                1.0 / self._rate_hz,
            )

    def _block(self, block: Frame, span: Span, first: int, values: Array, late_s: float) -> Frame:
        self._number += 1
        return Frame(
            block.source,
            self._number - 1,
            values,
            block.captured_at - late_s,
            block.captured_ns - round(late_s * 1e9),
            block.path,
            Span(first, len(values), self._rate_hz, span.channels, span.units),
            None if block.media_s is None else block.media_s - late_s,
        )
