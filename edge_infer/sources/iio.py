"""Sensors behind Linux' Industrial I/O, asked for their readings one by one."""

import errno
import math
import os
from pathlib import Path

import numpy as np

from edge_infer.errors import SourceError
from edge_infer.sources.iio_device import Channel, IioDevice, as_number, find_iio
from edge_infer.sources.pace import Metronome
from edge_infer.sources.source import BaseSource, EndOfStream, clocks
from edge_infer.types import Frame, Span

# What a bus says of one transfer that failed; the next may work. Source: linux, Documentation/i2c/fault-codes.rst
TRANSIENT = (errno.EIO, errno.EAGAIN, errno.ETIMEDOUT, errno.ENXIO, errno.EREMOTEIO, errno.EBADMSG, errno.EPROTO)


class IioSource(BaseSource):
    """One row a block, `rate_hz` times a second; a beat that was missed leaves a gap in `span.start`.

    A value that the bus did not bring is NaN; a row of nothing else is counted as "corrupt".

    Args:
        device: number, name or label
        channels: which, in this order; empty: all
        root: where sys/ lies
    """

    def __init__(
        self,
        device: str,
        *,
        name: str = "",
        channels: tuple[str, ...] = (),
        rate_hz: float = 10.0,
        timeout_s: float = 2.0,
        root: Path = Path("/"),
    ) -> None:
        found = find_iio(device, root)
        super().__init__(name or found.label or found.name, live=True)
        self.patience_s = 1.0 / rate_hz + timeout_s
        self._shown = f"sensor {found}"
        self._rate_hz = rate_hz
        self._longest = max(1, math.ceil(timeout_s * rate_hz))  # rows without a value, one after the other
        self._channels = pick(found, channels)
        self._names = tuple(channel.name for channel in self._channels)
        self._units = tuple(channel.unit for channel in self._channels)
        self._number = -1
        self._files = [_opened(channel, self._shown) for channel in self._channels]
        self._metronome = Metronome(rate_hz, sleep=self._sleep)

    def read(self) -> Frame:
        """The readings of the next beat.

        Raises:
            SourceError: it is gone, or its bus gives nothing.
            EndOfStream: it was interrupted or closed.
        """
        for _ in range(self._longest):
            beat = self._metronome.wait()
            if self._interrupted.is_set():
                raise EndOfStream
            values = [self._value(channel, file) for channel, file in zip(self._channels, self._files, strict=True)]
            at, ns = clocks()
            if not all(map(math.isnan, values)):
                self._number += 1
                span = Span(beat, 1, self._rate_hz, self._names, self._units)
                return Frame(self.name, self._number, np.array([values], np.float32), at, ns, span=span)
            self.skipped["corrupt"] += 1
        raise SourceError(f"{self._shown} gives no readings: check its wiring and its power")

    def close(self) -> None:
        """Let go of its files."""
        self.interrupt()
        while self._files:
            os.close(self._files.pop())

    def _sleep(self, seconds: float) -> None:
        self._interrupted.wait(seconds)

    def _value(self, channel: Channel, file: int) -> float:
        try:
            return channel.real(as_number(os.pread(file, 64, 0).decode(errors="replace")))  # asks the chip
        except OSError as error:
            if error.errno in TRANSIENT:
                return math.nan
            if error.errno == errno.EBUSY:
                raise SourceError(
                    f"{self._shown} is busy: another program reads its buffer; use buffered: true"
                ) from error
            raise SourceError(f"{self._shown} broke off ({error.strerror}): is it unplugged?") from error


def pick(device: IioDevice, wanted: tuple[str, ...]) -> list[Channel]:
    """The channels of those names; all where none are named.

    Raises:
        SourceError: there is no such channel.
    """
    found = {channel.name: channel for channel in device.channels()}
    missing = [name for name in wanted if name not in found]
    if missing or not found:
        has = ", ".join(found) or "none that is a number"
        raise SourceError(f"sensor {device} has no channel {', '.join(missing) or 'at all'}; it has {has}")
    return [found[name] for name in wanted] if wanted else list(found.values())


def _opened(channel: Channel, shown: str) -> int:
    try:
        return os.open(channel.file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"{shown}: cannot read {channel.file.name} ({error.strerror})") from error
