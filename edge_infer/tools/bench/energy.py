"""What the machine takes, where it has something that measures it; nothing is guessed where it has not.

In this order: the kernel's power sensors (hwmon: a chip such as INA219, INA226 or INA3221), the power management of a
Raspberry Pi 5, the energy counters of x86 processors (RAPL).
"""

import re
import subprocess
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from edge_infer.health.hardware import ROOT, VCGENCMD_S

# What boards call the sensor at their supply. Source: device trees of NVIDIA Jetson and of Toradex boards.
WHOLE = re.compile(r"VDD_IN|POM_5V_IN|5V_IN|VIN|input|total", re.IGNORECASE)
PMIC = re.compile(r"(\w+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)[AV]")  # Source: `vcgencmd pmic_read_adc` of a Pi 5
NOTHING = "this machine has no power sensor (hwmon), is no Raspberry Pi 5, and has no energy counter (RAPL)"


@dataclass(frozen=True, slots=True)
class Sensor:
    """Something that measures: `read` gives W, or J since some moment where it `counts`; None: not this time.

    Attributes:
        wraps_j: where a counter begins anew
        every_s: how often it is asked
    """

    method: str
    read: Callable[[], float | None]
    every_s: float
    counts: bool = False
    wraps_j: float = 0.0


def find_sensor(wanted: str | None = None, root: Path = ROOT) -> tuple[Sensor | None, str]:
    """The sensor, or None and why there is none; `wanted`: the name of one of several."""
    found = _hwmon(root)
    named = [one for one in found if wanted and one[0] == wanted]
    if wanted and not named:
        there = ", ".join(name for name, _, _ in found) or "none"
        return None, f"there is no power sensor {wanted}: this machine has {there}"
    whole = named or (found if len(found) == 1 else [one for one in found if WHOLE.search(one[1])])
    if len(whole) == 1:
        name, label, read = whole[0]
        return Sensor(f"hwmon {name}{f' ({label})' if label else ''}", read, 0.1), ""
    if found:
        return None, f"there are several power sensors ({', '.join(one[0] for one in found)}): choose one with --power"
    if (root / "usr/bin/vcgencmd").exists() and _pmic(root) is not None:
        method = (
            "vcgencmd pmic_read_adc: the sum of the PMIC's rails; what 5 V feeds directly, such as USB, is not in it"
        )
        return Sensor(method, lambda: _pmic(root), 1.0), ""
    return _rapl(root)


def _hwmon(root: Path) -> list[tuple[str, str, Callable[[], float | None]]]:
    """(name, label, what reads W) of each power sensor. Source: kernel, hwmon/sysfs-interface: uW, mA, mV."""
    found: list[tuple[str, str, Callable[[], float | None]]] = []
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        name = _text(chip / "name") or chip.name
        powers = sorted(chip.glob("power*_input"))
        for power in powers:
            at = power.name.removesuffix("_input")
            found.append((f"{name}/{at}", _text(chip / f"{at}_label"), partial(_scaled, power, 1e-6)))
        for current in () if powers else sorted(chip.glob("curr*_input")):
            at = current.name.removeprefix("curr").removesuffix("_input")
            volts = chip / f"in{at}_input"
            if volts.exists():
                label = _text(chip / f"in{at}_label") or _text(chip / f"curr{at}_label")
                found.append((f"{name}/curr{at}", label, partial(_product, current, volts)))
    return [one for one in found if one[2]() is not None]


def _product(current: Path, volts: Path) -> float | None:
    amperes, volt = _scaled(current, 1e-3), _scaled(volts, 1e-3)
    return None if amperes is None or volt is None else amperes * volt


def _pmic(root: Path) -> float | None:
    """W of all rails of which both current and voltage are known."""
    with suppress(OSError, subprocess.TimeoutExpired):
        command = [str(root / "usr/bin/vcgencmd"), "pmic_read_adc"]
        said = subprocess.run(command, capture_output=True, timeout=VCGENCMD_S, check=False).stdout
        rails: dict[str, dict[str, float]] = {}
        for rail, unit, value in PMIC.findall(said.decode(errors="replace")):
            rails.setdefault(rail, {})[unit] = float(value)
        pairs = [rail["A"] * rail["V"] for rail in rails.values() if len(rail) == 2]
        return sum(pairs) if pairs else None
    return None


def _rapl(root: Path) -> tuple[Sensor | None, str]:
    """The packages of an x86 processor. Source: kernel, power/powercap: uJ; a zone below another is in that one."""
    zones = [
        zone
        for zone in sorted((root / "sys/class/powercap").glob("*"))
        if _text(zone / "name").startswith("package") and (zone / "energy_uj").exists()
    ]
    if not zones:
        return None, NOTHING
    if any(_scaled(zone / "energy_uj", 1e-6) is None for zone in zones):
        return None, f"{zones[0]}/energy_uj cannot be read: run as root, since the kernel shows it to nobody else"
    names = ", ".join(_text(zone / "name") for zone in zones)
    wraps_j = sum(_scaled(zone / "max_energy_range_uj", 1e-6) or 0.0 for zone in zones) / len(zones)

    def read() -> float | None:
        values = [_scaled(zone / "energy_uj", 1e-6) for zone in zones]
        return None if None in values else sum(value for value in values if value is not None)

    return Sensor(f"RAPL {names}: the processor, not the board", read, 1.0, counts=True, wraps_j=wraps_j), ""


class Recording:
    """Asks a sensor in a thread of its own, from `start` to `stop`; what was taken meanwhile is known afterwards."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self._at: list[float] = []
        self._joules: list[float] = []
        self._last: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="energy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join(VCGENCMD_S + self.sensor.every_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            value = self.sensor.read()
            if value is not None:
                self.add(time.monotonic(), value)
            self._stopping.wait(self.sensor.every_s)

    def add(self, at: float, value: float) -> None:
        """One more reading, at this moment (monotonic, s)."""
        before, self._last = self._last, value
        total = self._joules[-1] if self._joules else 0.0
        if before is not None and self.sensor.counts:
            gained = value - before
            total += gained if gained >= 0 else gained + self.sensor.wraps_j
        elif before is not None:
            total += (before + value) / 2 * (at - self._at[-1])
        self._at.append(at)
        self._joules.append(total)

    @property
    def first_at(self) -> float:
        """When it was first read; never: in the far future."""
        return self._at[0] if self._at else float("inf")

    @property
    def last_at(self) -> float:
        """When it was last read."""
        return self._at[-1] if self._at else 0.0

    def joules(self, began: float, ended: float) -> float | None:
        """What was taken between two moments (monotonic, s); None where the readings do not enclose them."""
        first, last = self._until(began), self._until(ended)
        return None if first is None or last is None else last - first

    def _until(self, moment: float) -> float | None:
        place = bisect_left(self._at, moment)
        if place == 0 or place == len(self._at):
            return self._joules[0] if self._at and moment == self._at[0] else None
        share = (moment - self._at[place - 1]) / (self._at[place] - self._at[place - 1])
        return self._joules[place - 1] + share * (self._joules[place] - self._joules[place - 1])


def _scaled(path: Path, unit: float) -> float | None:
    with suppress(ValueError):
        return int(_text(path)) * unit
    return None


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return ""
