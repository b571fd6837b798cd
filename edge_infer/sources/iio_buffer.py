"""Sensors behind Linux' Industrial I/O, whose readings the kernel collects."""

import errno
import os
import select
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_infer.errors import SourceError
from edge_infer.sources.iio_device import find_iio
from edge_infer.sources.iio_scan import decode, places
from edge_infer.sources.iio_setup import BufferSetup
from edge_infer.sources.live_rows import SLICE_S
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Array, Frame, Span

GAP = 1.5  # periods from one sample to the next: one has been lost
AT_ONCE = 65536  # bytes of a read


class IioBuffer(BaseSource):
    """Blocks as the kernel gives them, with the times that it wrote down; where samples are lost `span.start` jumps.

    Without a sampling frequency (a trigger that somebody else pulls) a block is one row and `span.rate_hz` is 0.

    Args:
        device: number, name or label
        channels: which, in this order; empty: all
        rate_hz: asked of the sensor, which gives the nearest that it can
        trigger: name of the trigger to use; "": as it is
        root: where sys/ and dev/ lie
    """

    def __init__(
        self,
        device: str,
        *,
        name: str = "",
        channels: tuple[str, ...] = (),
        rate_hz: float = 10.0,
        trigger: str = "",
        timeout_s: float = 2.0,
        root: Path = Path("/"),
    ) -> None:
        found = find_iio(device, root)
        super().__init__(name or found.label or found.name, live=True)
        self.patience_s = timeout_s
        self._shown = f"sensor {found}"
        self._timeout_s = timeout_s
        self._blocks: deque[Frame] = deque()
        self._number = 0
        self._next = 0  # sample
        self._last_ns: int | None = None  # when the last was taken
        self._handle: int | None = None
        self._setup = BufferSetup(found, root)
        try:
            self._channels, self._elements = self._setup.choose(channels)
            # First: where somebody else has it open, nothing may be changed.
            self._handle = os.open(root / found.path.lstrip("/"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._rate_hz = self._setup.begin(self._elements, rate_hz, trigger)
        except OSError as error:
            self.close()
            raise SourceError(_why(self._shown, error)) from error
        except SourceError:
            self.close()
            raise
        self._record = places(self._elements)[1]
        self._names = tuple(channel.name for channel in self._channels)
        self._units = tuple(channel.unit for channel in self._channels)

    def read(self) -> Frame:
        """The next block.

        Raises:
            SourceError: it is gone, or gave nothing in time.
            EndOfStream: it was interrupted or closed.
        """
        deadline = time.monotonic() + self._timeout_s
        while not self._blocks:
            if self._interrupted.is_set() or self._handle is None:
                raise EndOfStream
            if time.monotonic() >= deadline:
                raise SourceError(f"{self._shown} gave nothing for {self._timeout_s:g} s: is its trigger on?")
            select.select([self._handle], [], [], SLICE_S)  # fewer than the watermark are no reason to wake, and there
            if data := self._come(self._handle):
                self._split(data)
        return self._blocks.popleft()

    def close(self) -> None:
        """Let go of the device, and switch its buffer off."""
        self.interrupt()
        self._blocks.clear()
        if self._handle is not None:
            self._setup.end()
            os.close(self._handle)
            self._handle = None

    def _come(self, handle: int) -> bytes:
        try:
            data = os.read(handle, AT_ONCE // self._record * self._record)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise SourceError(f"{self._shown} broke off ({error.strerror}): is it unplugged?") from error
        if not data:
            raise SourceError(f"{self._shown} broke off: is it unplugged?")
        return data[: len(data) // self._record * self._record]

    def _split(self, data: bytes) -> None:
        """Blocks of samples without a gap."""
        found, count = decode(data, self._elements), len(data) // self._record
        at, ns = clocks()
        times = found.get("timestamp")
        values = np.stack([channel.real(found[channel.name]) for channel in self._channels], axis=1).astype(np.float32)
        cuts = self._cuts(count, times)
        for first, last in zip(cuts, [*cuts[1:], count], strict=True):
            if times is None:
                taken_ns = ns
            else:
                self._next += self._lost(int(times[first]))
                self._last_ns = int(times[last - 1])
                taken_ns = min(ns, self._last_ns + self._setup.behind_ns())
            span = Span(self._next, last - first, self._rate_hz, self._names, self._units)
            taken_at = at - (ns - taken_ns) / 1e9
            self._blocks.append(Frame(self.name, self._number, values[first:last], taken_at, taken_ns, span=span))
            self._number += 1
            self._next = span.end

    def _cuts(self, count: int, times: Array | None) -> Sequence[int]:
        """Samples with which a block begins."""
        if not self._rate_hz:
            return range(count)
        if times is None:
            return [0]
        return [0, *(int(place) + 1 for place in np.flatnonzero(np.diff(times) * self._rate_hz / 1e9 > GAP))]

    def _lost(self, taken_ns: int) -> int:
        """How many samples are missing before one of this time."""
        if self._last_ns is None or not self._rate_hz:
            return 0
        periods = (taken_ns - self._last_ns) * self._rate_hz / 1e9
        return round(periods) - 1 if periods > GAP else 0


def _why(shown: str, error: OSError) -> str:
    file = Path(error.filename).name if error.filename else "its buffer"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{shown}: {file} may not be written or opened: let udev give it to a group of this user (docs/sensors.md)"
        )
    if error.errno == errno.EBUSY:
        return f"{shown} is busy ({file}): another program reads it"
    if error.errno == errno.EINVAL:
        return f"{shown} refuses {file} ({error.strerror}): does it need a trigger (docs/sensors.md)?"
    return f"{shown} cannot be buffered: {file}: {error.strerror}; leave out buffered to ask it for each reading"
