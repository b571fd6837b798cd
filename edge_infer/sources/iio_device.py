"""Devices of Linux' Industrial I/O as sysfs shows them, and their channels in real units.

Source: linux, Documentation/ABI/testing/sysfs-bus-iio.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edge_infer.errors import SourceError
from edge_infer.sources.devices import entries

if TYPE_CHECKING:  # doctor looks at sensors where numpy is damaged
    from edge_infer.types import Array

Numbers = TypeVar("Numbers", float, "Array")

DEVICES = "sys/bus/iio/devices"
# (unit, factor): what `(raw + offset) * scale` is by the ABI document, and what makes that unit of it
UNITS = {
    "accel": ("m/s^2", 1.0),
    "altvoltage": ("V", 1e-3),
    "angl": ("rad", 1.0),
    "anglvel": ("rad/s", 1.0),
    "capacitance": ("nF", 1.0),
    "concentration": ("%", 1.0),
    "current": ("A", 1e-3),
    "deltaangl": ("rad", 1.0),
    "deltavelocity": ("m/s", 1.0),
    "distance": ("m", 1.0),
    "electricalconductivity": ("S/m", 1.0),
    "energy": ("J", 1.0),
    "gravity": ("m/s^2", 1.0),
    "humidityrelative": ("%", 1e-3),
    "illuminance": ("lx", 1.0),
    "incli": ("deg", 1.0),
    "magn": ("Gauss", 1.0),
    "massconcentration": ("ug/m^3", 1.0),
    "positionrelative": ("%", 1e-3),
    "power": ("W", 1e-3),
    "pressure": ("kPa", 1.0),
    "resistance": ("ohm", 1.0),
    "temp": ("degC", 1e-3),
    "velocity": ("m/s", 1.0),
    "voltage": ("V", 1e-3),
}
_READING = re.compile(r"in_(?P<name>.+)_(?P<kind>raw|input)")
_KEPT = ("_mean", "_peak", "_trough")  # of another reading, since somebody asked


@dataclass(frozen=True)
class Channel:
    """One reading: `(raw + offset) * scale` in `unit`.

    Attributes:
        name: such as accel_x
        file: which attribute has it
    """

    name: str
    file: Path
    offset: float
    scale: float
    unit: str

    def real(self, raw: Numbers) -> Numbers:
        """The value, or values, in its unit."""
        return (raw + self.offset) * self.scale


@dataclass(frozen=True)
class IioDevice:
    """One chip.

    Attributes:
        number: N of iio:deviceN; may change from one start of the machine to the next
        name: of the chip, or of its driver; two chips of one kind have the same
        label: what the machine's description calls it, if anything
        folder: its place in sysfs
    """

    number: int
    name: str
    label: str
    folder: Path

    @property
    def path(self) -> str:
        """Where buffered readings come from."""
        return f"/dev/iio:device{self.number}"

    def channels(self) -> list[Channel]:
        """What it measures, by the names of the channels.

        Raises:
            SourceError: it has gone.
        """
        found: dict[str, Channel] = {}
        for file in sorted(entries(self.folder, "in_*"), reverse=True):  # raw comes before input, which wins
            reading = _READING.fullmatch(file.name)
            if reading and not reading["name"].endswith(_KEPT) and is_one_number(file):
                name = reading["name"]
                unit, factor = _unit_of(name)
                processed = Channel(name, file, 0.0, factor, unit)
                found[name] = self.raw_channel(name) if reading["kind"] == "raw" else processed
        return sorted(found.values(), key=lambda channel: channel.name)

    def raw_channel(self, name: str) -> Channel:
        """What makes a reading of the numbers of a channel, as its attribute `raw` or the buffer has them."""
        unit, factor = _unit_of(name)
        scale, offset = (self._shared(name, what) for what in ("scale", "offset"))
        file = self.folder / f"in_{name}_raw"
        if scale is None:
            return Channel(name, file, 0.0, 1.0, "")  # as the chip gives it
        return Channel(name, file, offset or 0.0, scale * factor, unit)

    def _shared(self, name: str, what: str) -> float | None:
        """The attribute of this channel, or of all of its kind."""
        for candidate in _more_and_more_general(name):
            text = read_text(self.folder / f"in_{candidate}_{what}")
            if text:
                return as_number(text)
        return None

    def __str__(self) -> str:
        return f"iio:device{self.number} ({self.label or self.name})"


def list_iio(root: Path = Path("/")) -> list[IioDevice]:
    """All devices, by number; `root` is where sys/ lies."""
    devices = []
    for folder in entries(root / DEVICES, "iio:device*"):
        number = re.fullmatch(r"iio:device(\d+)", folder.name)
        if number:
            name, label = read_text(folder / "name") or "unnamed", read_text(folder / "label")
            devices.append(IioDevice(int(number[1]), name, label, folder))
    return sorted(devices, key=lambda device: device.number)


def find_iio(which: str, root: Path = Path("/")) -> IioDevice:
    """The device of that number, /dev/iio:deviceN, label or name.

    Raises:
        SourceError: there is none, or more than one; the message names those that there are.
    """
    devices = list_iio(root)
    number = re.fullmatch(r"(?:(?:/dev/)?iio:device)?(\d+)", which)
    found = [d for d in devices if (d.number == int(number[1]) if number else which in (d.label, d.name))]
    if len(found) == 1:
        return found[0]
    if found:
        raise SourceError(f"{len(found)} IIO devices are called {which}: name one by number or label: {_all(found)}")
    raise SourceError(f"there is no IIO device {which}; this machine has {_all(devices) or 'none'}")


def read_text(file: Path) -> str:
    """What an attribute says; "" where it is not there or cannot be read."""
    try:
        return file.read_text(errors="replace").strip().rstrip("\0").strip()  # linux 6.1: "monotonic\n\0"
    except OSError:
        return ""


def as_number(text: str) -> float:
    """A number as sysfs writes it; NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def is_one_number(file: Path) -> bool:
    """True for an attribute that is, or may become, a number: quaternions are four."""
    text = read_text(file)
    return not text or not math.isnan(as_number(text))


def _unit_of(name: str) -> tuple[str, float]:
    kind = re.match(r"[a-z]+", name)
    return UNITS.get(kind[0] if kind else "", ("", 1.0))


def _more_and_more_general(name: str) -> Iterator[str]:
    """voltage0_supply: itself, voltage_supply, voltage0, voltage."""
    parts = name.split("_")
    for length in range(len(parts), 0, -1):
        joined = "_".join(parts[:length])
        yield joined
        yield re.sub(r"\d+", "", joined)


def _all(devices: list[IioDevice]) -> str:
    return ", ".join(map(str, devices))
