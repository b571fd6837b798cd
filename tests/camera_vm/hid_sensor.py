"""An accelerometer on USB as the kernel sees it: the test says what it reports (uhid), hid-sensor-hub makes IIO of it.

Source: linux, include/uapi/linux/uhid.h; USB-IF, HID Usage Tables, 4 Sensors.
"""

import os
import select
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import until

DESTROY, GET_REPORT, GET_REPORT_REPLY, CREATE2, INPUT2, SET_REPORT, SET_REPORT_REPLY = 1, 9, 10, 11, 12, 13, 14
EVENT = 4 + 4376  # bytes of struct uhid_event
BUS_USB = 3
STEP = 0.0980665  # m/s^2: the unit is 1/100 of g, see UNIT_EXPONENT below


def _choice(usage: int, first: int) -> bytes:
    """A selector of six values in a feature report, 8 bits."""
    values = b"".join(struct.pack("<BH", 0x0A, value) for value in range(first, first + 6))
    usages = struct.pack("<BH", 0x0A, usage) + bytes.fromhex("15 00 25 05 75 08 95 01 A1 02")
    return usages + values + bytes.fromhex("B1 00 C0")


def _axis(usage: int) -> bytes:
    """16 bits in the input report; 55 0E: UNIT_EXPONENT -2."""
    return struct.pack("<BH", 0x0A, usage) + bytes.fromhex("16 00 80 26 FF 7F 75 10 95 01 55 0E 81 02")


DESCRIPTOR = (
    bytes.fromhex("05 20 09 73 A1 00 85 01")  # sensors, accelerometer 3D, physical collection, report 1
    + bytes.fromhex("0A 0E 03 15 00 27 FF FF FF 7F 75 20 95 01 55 00 B1 02")  # report interval, ms
    + _choice(0x0316, 0x0840)  # reporting state
    + _choice(0x0319, 0x0850)  # power state
    + _axis(0x0453)
    + _axis(0x0454)
    + _axis(0x0455)
    + b"\xc0"
)


class HidSensor:
    """Answers the kernel in a thread; `sends` reports."""

    def __init__(self) -> None:
        for module in ("uhid", "hid-sensor-hub", "hid-sensor-accel-3d"):
            subprocess.run(["modprobe", module], check=True, timeout=60)
        until(Path("/dev/uhid").exists, what="/dev/uhid")
        self._handle = os.open("/dev/uhid", os.O_RDWR)
        self._features = bytearray(struct.pack("<BIBB", 1, 100, 0, 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._answer)
        names = struct.pack("<128s64s64s", b"a test's accelerometer", b"", b"")
        numbers = struct.pack("<HHIIII", len(DESCRIPTOR), BUS_USB, 0x1234, 0x5678, 1, 0)
        self._write(CREATE2, names + numbers + DESCRIPTOR)
        self._thread.start()
        until(lambda: list(Path("/sys/bus/iio/devices").glob("iio:device*/in_accel_x_raw")), 60.0, "the IIO device")

    @property
    def interval_ms(self) -> int:
        """What it was asked for."""
        return int.from_bytes(self._features[1:5], "little")

    def sends(self, *axes: int) -> None:
        report = struct.pack("<B3h", 1, *axes)
        self._write(INPUT2, struct.pack("<H", len(report)) + report)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._handle)

    def _write(self, kind: int, content: bytes) -> None:
        os.write(self._handle, struct.pack("<I", kind) + content)

    def _answer(self) -> None:
        while not self._over.is_set():
            if not select.select([self._handle], [], [], 0.1)[0]:
                continue
            event = os.read(self._handle, EVENT)
            (kind,) = struct.unpack_from("<I", event)
            if kind == GET_REPORT:
                number, _, what = struct.unpack_from("<IBB", event, 4)
                answer = bytes(self._features) if what == 0 else struct.pack("<B3h", 1, 1, 2, 3)
                self._write(GET_REPORT_REPLY, struct.pack("<IHH", number, 0, len(answer)) + answer)
            elif kind == SET_REPORT:
                number, _, _, size = struct.unpack_from("<IBBH", event, 4)
                self._features[:size] = event[12 : 12 + size]
                self._write(SET_REPORT_REPLY, struct.pack("<IH", number, 0))


@contextmanager
def hid_accelerometer() -> Iterator[HidSensor]:
    sensor = HidSensor()
    try:
        yield sensor
    finally:
        sensor.close()
