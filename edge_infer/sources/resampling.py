"""Samples of one rate become samples of another, as they come."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from edge_infer.errors import UnavailableError
from edge_infer.types import Array, Frame, Span, Wanted


class Resampler:
    """Sample k of what it gives stands at k / rate: of the same moment as in what it is given, however long it runs.

    Where samples are missing it begins anew at the nearest sample (within half of one).
    """

    def __init__(self, first: Frame, wanted: Wanted) -> None:
        """Of blocks like the first.

        Raises:
            UnavailableError: soxr is not installed.
        """
        span, rate_hz = first.span, wanted.rate_hz
        assert span is not None and rate_hz, "both rates are known"  # noqa: S101, PT018 - the converter has looked
        try:
            from soxr import ResampleStream
        except ImportError as error:
            raise UnavailableError(
                f"{first.source} has {span.rate_hz:g} samples a second, the model takes {rate_hz:g}, and what converts "
                "them is not installed: pip install edge-infer[audio]"
            ) from error
        self._mixed = wanted.sound and wanted.channels == 1 and not wanted.names
        self._channels = ("mono",) if self._mixed else span.channels
        self._from_hz, self._to_hz = span.rate_hz, rate_hz
        arguments = (self._from_hz, rate_hz, len(self._channels), "float32")
        self._open: Callable[[], Any] = partial(ResampleStream, *arguments)
        self._stream: Any = None
        self._given = 0  # number of the next sample that comes
        self._made = 0  # ... and of the next that goes
        self._last: Frame | None = None

    def __call__(self, block: Frame) -> Iterator[Frame]:
        """What a block adds; before it, where it does not follow the last one, what that was still owed."""
        span = block.span
        assert span is not None, "a block of samples says which they are"  # noqa: S101 - the converter has looked
        if self._stream is None or span.start != self._given:
            yield from self.end()
            self._stream = self._open()
            self._made = round(span.start * self._to_hz / self._from_hz)
        self._given, self._last = span.end, block
        data = block.data.mean(axis=1, keepdims=True) if self._mixed else _without_holes(block.data)
        yield from self._frames(np.ascontiguousarray(data, np.float32), last=False)

    def end(self) -> Iterator[Frame]:
        """What is owed of the last block: no more follows it."""
        if self._stream is not None and self._last is not None:
            yield from self._frames(np.zeros((0, len(self._channels)), np.float32), last=True)
            self._stream = None

    def _frames(self, data: Array, *, last: bool) -> Iterator[Frame]:
        block = self._last
        assert block is not None, "there was a block"  # noqa: S101 - both callers have one
        mono = len(self._channels) == 1
        made = self._stream.resample_chunk(data[:, 0] if mono else data, last=last).reshape(-1, len(self._channels))
        if not len(made):
            return
        start, self._made = self._made, self._made + len(made)
        late_s = self._given / self._from_hz - self._made / self._to_hz  # the filter looks ahead
        units = block.span.units[: len(self._channels)] if block.span else ()
        yield Frame(
            block.source,
            block.number,
            made,
            block.captured_at - late_s,
            block.captured_ns - round(late_s * 1e9),
            block.path,
            Span(start, len(made), self._to_hz, self._channels, units),
            None if block.media_s is None else block.media_s - late_s,
        )


def _without_holes(data: Array) -> Array:
    """Missing values are as those before them: a filter would spread them."""
    missing = np.isnan(data)
    if not missing.any():
        return data
    last = np.maximum.accumulate(np.where(missing, 0, np.arange(len(data))[:, None]), axis=0)
    return np.asarray(np.nan_to_num(np.take_along_axis(data, last, axis=0)))
