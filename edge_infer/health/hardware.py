"""What the firmware and the kernel say of the hardware: heat, throttling, wear. None where they say nothing.

`root` is where the file system begins: tests read trees of other machines.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from edge_infer.wire.machine import DiskWear, Hindrance, Throttling

ROOT = Path("/")
VCGENCMD_S = 2.0  # it answers in milliseconds, or its mailbox hangs

# Source: Raspberry Pi documentation of vcgencmd, get_throttled: bits 0 to 3 now, 16 to 19 since the boot.
HINDRANCES: tuple[Hindrance, ...] = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
SINCE_BOOT = 16
PROCESSOR = re.compile(r"cpu|soc|x86_pkg|coretemp|k10temp|zenpower", re.IGNORECASE)
BELIEVABLE_C = (-60.0, 150.0)  # what silicon survives; an unconnected sensor reads beyond it
# Source: JEDEC eMMC 5.1, PRE_EOL_INFO: 0 is not defined.
SPARE_BLOCKS: dict[int, Literal["normal", "warning", "urgent"]] = {1: "normal", 2: "warning", 3: "urgent"}
LIFE_STEP_PERCENT = 10  # Source: JEDEC eMMC 5.1, DEVICE_LIFE_TIME_EST: 1 is 0 to 10 %, 11 is beyond 100 %, 0 undefined


def temperature_c(root: Path = ROOT) -> float | None:
    """The temperature of the processor: the hottest sensor that is one of it, else the hottest of any."""
    sensors = list(_sensors(root))
    of_processor = [degrees for name, degrees in sensors if PROCESSOR.search(name)]
    return max(of_processor or [degrees for _, degrees in sensors], default=None)


def _sensors(root: Path) -> Iterator[tuple[str, float]]:
    for zone in (root / "sys/class/thermal").glob("thermal_zone*"):
        if (degrees := _degrees(zone / "temp")) is not None:
            yield _text(zone / "type") or "", degrees
    for chip in (root / "sys/class/hwmon").glob("hwmon*"):
        for sensor in chip.glob("temp*_input"):
            if (degrees := _degrees(sensor)) is not None:
                yield _text(chip / "name") or "", degrees


def edge_tpu_temperature_c(number: int, root: Path = ROOT) -> float | None:
    """The temperature of an Edge TPU on PCIe; those on USB do not say."""
    return _degrees(root / f"sys/class/apex/apex_{number}/temp")


def throttling(root: Path = ROOT) -> Throttling | None:
    """What slows a Raspberry Pi down; None on other machines. Its firmware may take its time."""
    bits = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled") or _vcgencmd(root)
    with suppress(ValueError):
        flags = int(bits or "", 16)
        return Throttling(now=_hindrances(flags), since_boot=_hindrances(flags >> SINCE_BOOT))
    for chip in (root / "sys/class/hwmon").glob("hwmon*"):
        alarm = _text(chip / "in0_lcrit_alarm") if _text(chip / "name") == "rpi_volt" else None
        if alarm in ("0", "1"):  # the kernel asks the firmware every 2 s, and needs no permission of ours
            return Throttling(now=("under_voltage",) if alarm == "1" else (), since_boot=None)
    return None


def _hindrances(flags: int) -> tuple[Hindrance, ...]:
    return tuple(name for bit, name in enumerate(HINDRANCES) if flags & 1 << bit)


def _vcgencmd(root: Path) -> str | None:
    program = root / "usr/bin/vcgencmd"
    if not program.exists():
        return None
    with suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run([program, "get_throttled"], capture_output=True, timeout=VCGENCMD_S, check=False).stdout
        return said.decode(errors="replace").strip().removeprefix("throttled=")
    return None


def disk_wear(root: Path = ROOT) -> dict[str, DiskWear]:
    """How worn each eMMC is, by block device."""
    found = {}
    for device in sorted((root / "sys/block").glob("mmcblk*")):
        lives = [int(word, 16) for word in (_text(device / "device/life_time") or "").split() if _is_hex(word)]
        spare = _text(device / "device/pre_eol_info") or ""
        used = max(lives, default=0) * LIFE_STEP_PERCENT or None
        left = SPARE_BLOCKS.get(int(spare, 16)) if _is_hex(spare) else None
        if used or left:
            found[device.name] = DiskWear(life_used_percent=used, spare_blocks=left)
    return found


def _is_hex(word: str) -> bool:
    return re.fullmatch(r"0x[0-9a-fA-F]{1,2}", word) is not None


def _degrees(path: Path) -> float | None:
    """A file in millidegrees, as degrees; None where there is none that can be believed."""
    with suppress(ValueError):
        degrees = int(_text(path) or "") / 1000
        return round(degrees, 1) if BELIEVABLE_C[0] < degrees < BELIEVABLE_C[1] else None
    return None


def _text(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return None
