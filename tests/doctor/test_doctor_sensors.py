"""Serial ports that are forbidden, or named by a path that does not stay with them; IIO devices."""

import importlib.util
from pathlib import Path

import pytest
from machines import PI_4, one, write
from other_user import as_nobody, open_folder

from edge_infer.settings import Settings, load_settings
from edge_infer.tools.doctor.sensor import check_sensors

ARDUINO = {"dev/ttyACM0": ""}
BY_ID = {"dev/serial/by-id/usb-Arduino-if00": "../../ttyACM0"}
IMU = {"sys/bus/iio/devices/iio:device2/name": "mpu6050\n"}


def settings(folder: Path, uri: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(
        "version: 1\ndevice: {id: porch}\npipelines:\n"
        f"  motor: {{source: {{kind: serial, uri: {uri}}}, model: {{path: m.tflite}}}}\n"
    )
    return load_settings(path)


def test_a_machine_without_sensors_has_nothing_to_mend(tmp_path: Path) -> None:
    assert one(check_sensors(None, write(tmp_path, PI_4))).level == "skip"


def test_ports_and_devices_are_told(tmp_path: Path) -> None:
    port, device = check_sensors(None, write(tmp_path, PI_4, ARDUINO, IMU, links=BY_ID))
    assert (port.level, port.what, port.detail) == (
        "ok",
        "serial port /dev/ttyACM0",
        "lasting path /dev/serial/by-id/usb-Arduino-if00",
    )
    assert (device.what, device.detail) == ("sensor iio:2", "mpu6050")


def test_a_path_that_does_not_stay_is_told(tmp_path: Path) -> None:
    machine = write(tmp_path, PI_4, ARDUINO, links=BY_ID)
    [_, told] = check_sensors(settings(tmp_path, "/dev/ttyACM0"), machine)
    assert told.level == "warn"
    assert "uri: /dev/serial/by-id/usb-Arduino-if00" in told.fix
    [_] = check_sensors(settings(tmp_path, "/dev/serial/by-id/usb-Arduino-if00"), machine)


def test_a_port_that_may_not_be_opened_is_told() -> None:
    with open_folder() as root:
        write(root, ARDUINO)
        (root / "dev/ttyACM0").chmod(0o600)
        with as_nobody():
            finding = one(check_sensors(None, root))
    assert (finding.level, finding.command) == ("fail", "sudo usermod -aG dialout $USER")


def test_a_port_without_pyserial_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    *_, told = check_sensors(settings(tmp_path, "/dev/ttyUSB0"), write(tmp_path, PI_4))
    assert (told.level, told.command) == ("fail", "pip install 'edge-infer[sensors]'")
