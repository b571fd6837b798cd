"""What sysfs shows of Industrial I/O devices, as files in a folder; buffers are named pipes that a test writes to."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

ACCELEROMETER = {
    "name": "mpu6050",
    "in_accel_x_raw": "-16384",
    "in_accel_y_raw": "0",
    "in_accel_z_raw": "16384",
    "in_accel_scale": "0.000598550",
    "in_accel_x_calibbias": "-100",
    "in_accel_x_peak_raw": "7",
    "in_anglvel_x_raw": "100",
    "in_anglvel_scale": "0.001064724",
    "in_temp_raw": "-1000",
    "in_temp_scale": "2.941176",
    "in_temp_offset": "12420",
    "in_rot_quaternion_raw": "1 2 3 4",
}
WEATHER = {
    "name": "bme280",
    "label": "attic",
    "in_temp_input": "21500",
    "in_pressure_input": "101.325000000",
    "in_humidityrelative_input": "45123",
    "in_voltage0_raw": "100",
    "in_voltage1_raw": "100",
    "in_voltage_scale": "0.5",
    "in_voltage1_scale": "2",
    "in_voltage0-voltage1_raw": "7",
    "in_voltage-voltage_scale": "3",
    "in_proximity_raw": "12",
}


def device(root: Path, number: int, attributes: Mapping[str, str]) -> Path:
    """The folder of a device."""
    folder = root / f"sys/bus/iio/devices/iio:device{number}"
    for name, text in attributes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return folder


def buffered(root: Path, number: int = 0, rate: str = "100", **more: str) -> Path:
    """A device with a buffer of x, z (12 bits in 16, big end first) and times, and what it is read from."""
    elements = {"accel_x": ("0", "be:s12/16>>4"), "accel_z": ("2", "be:s12/16>>4"), "timestamp": ("3", "le:s64/64>>0")}
    said = {"accel_y": ("1", "be:s12/16>>4"), "quaternion": ("4", "le:s32/32X4>>0"), **elements}
    scan = {
        f"scan_elements/in_{name}_{what}": text
        for name, (index, kind) in said.items()
        for what, text in (("en", "0"), ("index", index), ("type", kind))
    }
    attributes = {
        "name": "lis3dh",
        "in_accel_scale": "0.01",
        "current_timestamp_clock": "realtime",
        "buffer/enable": "0",
        "buffer/length": "2",
        "buffer/watermark": "1",
        "trigger/current_trigger": "",
        **scan,
        **({"sampling_frequency": rate, "sampling_frequency_available": "1 10 25 50 100 200"} if rate else {}),
        **more,
    }
    device(root, number, attributes)
    pipe = root / f"dev/iio:device{number}"
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    return pipe


def record(x: int, z: int, taken_ns: int | None = None) -> bytes:
    """As `buffered` has them: x, y and z in 6 bytes, 2 to align, 8 of the time."""
    numbers = b"".join((axis << 4 & 0xFFFF).to_bytes(2, "big") for axis in (x, 77, z))
    return numbers + bytes(2) + (time.monotonic_ns() if taken_ns is None else taken_ns).to_bytes(8, "little")
