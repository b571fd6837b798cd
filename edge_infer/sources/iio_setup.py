"""Switching the buffer of an Industrial I/O device on and off: what is collected, how fast, and who says when.

Source: linux, Documentation/ABI/testing/sysfs-bus-iio.
"""

import logging
import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from edge_infer.errors import SourceError
from edge_infer.sources.devices import entries
from edge_infer.sources.iio_device import DEVICES, Channel, IioDevice, as_number, read_text
from edge_infer.sources.iio_scan import Element, element

log = logging.getLogger(__name__)

KEPT_S = 2.0  # that the kernel keeps for us: longer than a thread ever waits for the processor
BLOCK_S = 0.1  # that come at once: a hundred blocks a second would cost more than their numbers
LEAST = 16  # samples that are kept
_AXES = ("_x", "_y", "_z")
CLOSE = 0.01  # of a rate: what drivers round to


class BufferSetup:
    """The attributes of one device that are about its buffer."""

    def __init__(self, device: IioDevice, root: Path) -> None:
        self._device = device
        self._triggers = root / DEVICES
        old = device.folder / "buffer"  # of kernels before 5.11, which newer ones still have
        self._buffer = old if old.is_dir() else device.folder / "buffer0"
        scan = device.folder / "scan_elements"
        self._scan = scan if scan.is_dir() else self._buffer

    def choose(self, wanted: Sequence[str]) -> tuple[list[Channel], list[Element]]:
        """The channels of those names, or all, and the elements of a record with them and its time.

        Raises:
            SourceError: there are no such channels, or no buffer.
        """
        found = {one.name: one for one in self._elements()}
        names = list(wanted) or sorted(name for name in found if name != "timestamp")
        missing = [name for name in names if name not in found]
        if missing or not names:
            has = ", ".join(found) or "none at all: leave out buffered"
            raise SourceError(f"the buffer of sensor {self._device} has no channel {', '.join(missing)}; it has {has}")
        # All axes together: measured, the kernel's HID drivers give x, y where x and z are switched on.
        axes = {f"{name[:-1]}{axis}" for name in names if name.endswith(_AXES) for axis in "xyz"}
        kept = [one for one in found.values() if one.name in {*names, *axes, "timestamp"}]
        return [self._device.raw_channel(name) for name in names], sorted(kept, key=lambda one: one.index)

    def begin(self, elements: Sequence[Element], rate_hz: float, trigger: str) -> float:
        """Switch it on; returns the samples per second that it gives, 0 where nobody knows.

        Raises:
            OSError: an attribute may not be written, or the driver refuses.
        """
        self._write(self._buffer / "enable", "0")
        if trigger:
            self._write(self._device.folder / "trigger/current_trigger", trigger)
        with suppress(OSError):  # kernels before 4.5, and drivers without times
            self._write(self._device.folder / "current_timestamp_clock", "monotonic")
        given = self._set_rate(rate_hz)
        names = {one.name for one in elements}
        for switch in entries(self._scan, "in_*_en"):
            on = "1" if switch.name[3:-3] in names else "0"
            if read_text(switch) != on:
                self._write(switch, on)
        self._write(self._buffer / "length", str(max(LEAST, math.ceil((given or rate_hz) * KEPT_S))))
        with suppress(OSError):  # drivers whose buffer has a mark of its own
            self._write(self._buffer / "watermark", str(max(1, math.floor(given * BLOCK_S))))
        self._write(self._buffer / "enable", "1")
        return given

    def end(self) -> None:
        """Switch it off."""
        with suppress(OSError):
            self._write(self._buffer / "enable", "0")

    def behind_ns(self) -> int:
        """What makes its times those of our monotonic clock."""
        if read_text(self._device.folder / "current_timestamp_clock") == "monotonic":
            return 0
        return time.monotonic_ns() - time.time_ns()

    def _elements(self) -> Iterator[Element]:
        for file in entries(self._scan, "in_*_type"):
            name = file.name[3:-5]
            index = read_text(file.with_name(f"in_{name}_index"))
            found = element(name, int(index), read_text(file)) if index.isdigit() else None
            if found:
                yield found

    def _set_rate(self, rate_hz: float) -> float:
        """Ask the trigger, or else the device, for a rate; what it says then."""
        name = read_text(self._device.folder / "trigger/current_trigger")
        triggers = [one for one in entries(self._triggers, "trigger*") if name and read_text(one / "name") == name]
        for folder in (*triggers, self._device.folder, self._buffer):
            files = [one for one in entries(folder, "*sampling_frequency") if one.is_file()]
            for file in files:
                nearest = _nearest(rate_hz, read_text(file.with_name(f"{file.name}_available")))
                with suppress(OSError):  # some can only be read
                    self._write(file, f"{nearest:g}")
            given = as_number(read_text(files[0])) if files else math.nan
            if given > 0:
                if abs(given - rate_hz) > CLOSE * rate_hz:
                    log.warning("sensor %s gives %g readings a second, not %g", self._device, given, rate_hz)
                return given
        return 0.0

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text)


def _nearest(rate_hz: float, available: str) -> float:
    """Of the rates that there are; a range in brackets takes what it is asked for."""
    rates = [] if "[" in available else [float(one) for one in re.findall(r"\d+(?:\.\d+)?", available)]
    return min(rates, key=lambda one: abs(one - rate_hz), default=rate_hz)
