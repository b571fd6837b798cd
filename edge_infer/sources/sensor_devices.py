"""The sensors that this machine has: serial ports, and devices of Linux' Industrial I/O."""

import re
from dataclasses import dataclass
from pathlib import Path

from edge_infer.sources.devices import entries
from edge_infer.sources.iio_device import list_iio

__all__ = ["Port", "list_iio", "list_serial"]

# Source: names that the kernel's drivers give: USB adapters, USB devices that are modems by class, the Pi's own UARTs
_PORTS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "serial[0-9]")


@dataclass(frozen=True)
class Port:
    """A serial port that something may be connected to.

    Attributes:
        path: /dev/ttyUSB0; may change when it is plugged in anew
        by_id: a path that stays with the device, if udev made one
    """

    path: str
    by_id: str | None = None

    def __str__(self) -> str:
        return f"{self.path}{f' ({self.by_id})' if self.by_id else ''}"


def list_serial(root: Path = Path("/")) -> list[Port]:
    """All serial ports of USB devices and of a Pi's header, in natural order; `root` is where dev/ lies."""
    links = {link.resolve().name: f"/dev/serial/by-id/{link.name}" for link in entries(root / "dev/serial/by-id", "*")}
    found = {node.name for pattern in _PORTS for node in entries(root / "dev", pattern)} | set(links)
    names = sorted(found, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])
    return [Port(f"/dev/{name}", links.get(name)) for name in names]
