"""Blocks of samples become the windows that a model is asked about: exact, overlapping, none twice."""

import math
from collections import deque

import numpy as np

from edge_infer.sources.missing import columns_of, filled
from edge_infer.sources.rates import Convert, converter
from edge_infer.sources.resampling import Resampler
from edge_infer.sources.source import BaseSource, EndOfStream, Source
from edge_infer.types import Array, Frame, Span, Wanted

BACKLOG_S = 1.0  # of sound: the same, where a window lasts milliseconds (chosen)
BACKLOG = 8  # a block of a live source may complete several at once, and one answer may take longer than the others


class Windows(BaseSource):
    """Window k holds the samples k * hop ... k * hop + samples - 1 of the stream, and has the number k.

    Samples that the source lost leave out the windows that would hold them: their numbers are missing, and `skipped`
    counts them as "gap". Of readings, what is shorter than a window is missing values instead: they are filled in, and
    a window of which more than `max_missing` is missing is left out and counted as "missing".

    Where the source begins anew (its samples count from 0 again), so do the windows; their numbers leave out one.

    What is left at the end of a stream is filled with silence where it is sound; readings that fill no window are
    counted as "tail".

    Attributes:
        backlog: windows that may wait for the model before the oldest is dropped
    """

    def __init__(self, source: Source, wanted: Wanted) -> None:
        """Windows of a source whose frames are blocks of samples, in order."""
        super().__init__(source.name, live=source.live)
        self.skipped = source.skipped
        self._source = source
        self._wanted = wanted
        self._convert: Convert | None = None
        self._coming: deque[Frame] = deque()  # blocks at the wanted rate
        self._pieces: list[Array] = []  # samples from _start to _end, those that a window still needs
        self._start = self._end = 0
        self._next = 0  # window, on the grid of the present stretch
        self._before = 0  # numbers that earlier stretches have used
        self._last: Frame | None = None  # the newest block of this stretch
        self._over = False

    def read(self) -> Frame:
        """The next window.

        Raises:
            SourceError: the source broke off.
            EndOfStream: there are no more samples.
        """
        while not self._over:
            if self._last is not None and self._end >= self._next * self._wanted.hop + self._wanted.samples:
                window = self._window(self._last, self._wanted.samples)
                if window is not None:
                    return window
                self.skipped["missing"] += 1
            elif self._coming:
                self._hold(self._coming.popleft())
            elif not self._ask():
                return self._tail()
        raise EndOfStream

    def close(self) -> None:
        """Close the source."""
        self._over = True
        self._source.close()

    @property
    def backlog(self) -> int:
        """See the class: a model that remembers needs those of 30 ms, too, of which a block holds several."""
        rate_hz = self._wanted.rate_hz or 0.0
        return max(BACKLOG, math.ceil(BACKLOG_S * rate_hz / self._wanted.hop))

    def interrupt(self) -> None:
        """See `BaseSource.interrupt`."""
        if isinstance(self._source, BaseSource):
            self._source.interrupt()

    def _ask(self) -> bool:
        """Let another block come, or what a converter of rates still has of the last; False: there is no more."""
        try:
            block = self._source.read()
        except EndOfStream:
            convert, self._convert = self._convert, None
            self._coming.extend(convert.end() if isinstance(convert, Resampler) else ())
            return bool(self._coming)
        self._convert = self._convert or converter(block, self._wanted, self.skipped)
        self._coming.extend(self._convert(block))
        return True

    def _hold(self, block: Frame) -> None:
        span = block.span
        assert span is not None, "a block of samples says which they are"  # noqa: S101 - the converter has looked
        if self._last is not None and span.start < self._end:
            self._begin_anew()
        if self._last is None:
            self._skip_to(span.start)
        elif 0 < span.start - self._end < self._wanted.samples and self._wanted.max_missing:
            self._pieces.append(np.full((span.start - self._end, block.data.shape[1]), np.nan, np.float32))
        elif span.start > self._end:
            self.skipped["gap"] += self._skip_to(span.start)
        self._pieces.append(block.data)
        self._end = span.end
        self._last = block

    def _begin_anew(self) -> None:
        self.skipped["tail"] += self._left > 0
        self._before += self._next + 1
        self._next = self._start = self._end = 0
        self._last = None

    def _skip_to(self, start: int) -> int:
        """Hold nothing before a sample; returns how many windows are left out for that."""
        first = max(self._next, math.ceil(start / self._wanted.hop))
        left_out, self._next = first - self._next, first
        self._pieces, self._start = [], start
        return left_out

    def _window(self, block: Frame, samples: int) -> Frame | None:
        """The next window, of which so many samples are there; None where too many of their values are missing."""
        span, start = block.span, self._next * self._wanted.hop
        assert span is not None, "a block says which samples it holds"  # noqa: S101 - _hold has looked
        held = np.concatenate(self._pieces)
        data = np.zeros((self._wanted.samples, held.shape[1]), np.float32)
        data[:samples] = held[start - self._start : start - self._start + samples]
        self._next += 1
        kept = min(self._next * self._wanted.hop - self._start, len(held))
        self._pieces = [held[kept:]]
        self._start += kept
        missing = filled(data, columns_of(self._wanted, span.channels), self._wanted)
        if missing is None:
            return None
        after = span.end - (start + samples)  # samples that came with the block, and are later
        late_s = after / span.rate_hz if span.rate_hz else 0.0
        return Frame(
            self.name,
            self._before + self._next - 1,
            data,
            block.captured_at - late_s,
            block.captured_ns - round(late_s * 1e9),
            block.path,
            Span(start, self._wanted.samples, span.rate_hz, span.channels, span.units, missing),
            None if block.media_s is None else block.media_s - late_s,
        )

    @property
    def _left(self) -> int:
        """How many samples no window has shown."""
        left = self._end - max(self._next * self._wanted.hop, self._start)
        shown = max(0, self._wanted.samples - self._wanted.hop) if self._next else 0  # by the last window
        return left if self._last is not None and left > shown else 0

    def _tail(self) -> Frame:
        """What is left at the end of the stream."""
        self._over = True
        if not self._left or self._last is None:
            raise EndOfStream
        window = self._window(self._last, self._left) if self._wanted.sound else None
        if window is None:
            self.skipped["tail"] += 1
            raise EndOfStream
        return window
