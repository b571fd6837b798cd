"""Sensors: may we open their ports, is there what reads them, and which path stays with them."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from edge_infer.errors import UnavailableError
from edge_infer.settings import Settings
from edge_infer.sources.sensor_devices import Port, list_iio, list_serial
from edge_infer.sources.sensor_settings import SerialSettings
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip, warn
from edge_infer.tools.doctor.permission import group_of, who_may_not


def check_sensors(settings: Settings | None, root: Path = Path("/")) -> Iterator[Finding]:
    """Each serial port and each IIO device, and pyserial where the configuration needs it."""
    ports, devices = list_serial(root), list_iio(root)
    for port in ports:
        yield _judged(port, root)
    for device in devices:
        yield ok(f"sensor iio:{device.number}", device.label or device.name)
    if not ports and not devices:
        yield skip("sensors", "none is plugged in")
    pipelines = settings.pipelines if settings else {}
    named = {name: one.source.uri for name, one in pipelines.items() if isinstance(one.source, SerialSettings)}
    if named and importlib.util.find_spec("serial") is None:
        yield fail(
            "pyserial",
            "the configuration names a serial port, and it is not installed",
            "install the extra",
            "pip install 'edge-infer[sensors]'",
            UnavailableError.exit_code,
        )
    yield from _fleeting(named, ports)


def _judged(port: Port, root: Path) -> Finding:
    what, device = f"serial port {port.path}", root / port.path.lstrip("/")
    if who := who_may_not(device, root):
        group = group_of(device, "dialout")
        return fail(
            what,
            f"{who} may not open it",
            f"let this user be in the group {group}; then log in anew",
            f"sudo usermod -aG {group} $USER",
        )
    return ok(what, f"lasting path {port.by_id}" if port.by_id else "it may be opened")


def _fleeting(named: dict[str, str], ports: list[Port]) -> Iterator[Finding]:
    """A /dev/ttyUSBN in the configuration, where there is a path that stays with the sensor."""
    lasting = {port.path: port.by_id for port in ports if port.by_id}
    for name, uri in named.items():
        if uri in lasting:
            yield warn(
                f"source of {name}",
                f"{uri} may be another sensor, or none, after it was plugged in anew",
                f"in the configuration write uri: {lasting[uri]}",
            )
