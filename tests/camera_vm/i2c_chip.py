"""An accelerometer that the kernel's drivers i2c-stub and st_accel play: its registers are what a test writes."""

import ctypes
import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from waiting import until

ADDRESS = 0x19
# Source: linux, include/uapi/linux/i2c-dev.h, i2c.h
I2C_SLAVE_FORCE, I2C_SMBUS = 0x0706, 0x0720
WRITE, BYTE_DATA = 0, 2
# Source: ST LIS3DH data sheet. The driver sets the upper bit of a register's number to read several (MULTI_READ).
WHO_AM_I, OUT_X, MULTI_READ = 0x0F, 0x28, 0x80
LIS3DH = 0x33


class _Data(ctypes.Union):
    _fields_ = [("byte", ctypes.c_uint8), ("word", ctypes.c_uint16), ("block", ctypes.c_uint8 * 34)]


class _Arguments(ctypes.Structure):
    _fields_ = [
        ("read_write", ctypes.c_uint8),
        ("command", ctypes.c_uint8),
        ("size", ctypes.c_uint32),
        ("data", ctypes.POINTER(_Data)),
    ]


class Chip:
    """LIS3DH at an address of the bus that i2c-stub plays."""

    def __init__(self) -> None:
        subprocess.run(["modprobe", "i2c-dev"], check=True, timeout=60)
        subprocess.run(["modprobe", "i2c-stub", f"chip_addr={ADDRESS}"], check=True, timeout=60)
        self._bus = next(
            bus for bus in Path("/sys/bus/i2c/devices").glob("i2c-*") if "stub" in (bus / "name").read_text()
        )
        self._node = f"/dev/{self._bus.name}"
        until(Path(self._node).exists, what=self._node)

    def plug(self) -> None:
        self._write(WHO_AM_I, LIS3DH)
        (self._bus / "new_device").write_text(f"lis3dh {ADDRESS:#x}")
        until(lambda: list(Path("/sys/bus/iio/devices").glob("iio:device*/in_accel_x_raw")), 60.0, "the IIO device")

    def unplug(self) -> None:
        (self._bus / "delete_device").write_text(f"{ADDRESS:#x}")

    def feels(self, *axes: int) -> None:
        """12-bit numbers, left-aligned in 16 bits."""
        for place, axis in enumerate(axes):
            low, high = ((axis << 4) & 0xFFFF).to_bytes(2, "little")
            self._write(OUT_X + 2 * place, low)
            self._write(OUT_X + 2 * place + 1, high)

    def _write(self, register: int, value: int) -> None:
        handle = os.open(self._node, os.O_RDWR)
        try:
            fcntl.ioctl(handle, I2C_SLAVE_FORCE, ADDRESS)
            for number in (register, register | MULTI_READ):
                arguments = _Arguments(WRITE, number, BYTE_DATA, ctypes.pointer(_Data(byte=value)))
                fcntl.ioctl(handle, I2C_SMBUS, arguments)
        finally:
            os.close(handle)


@contextmanager
def accelerometer() -> Iterator[Chip]:
    chip = Chip()
    chip.plug()
    try:
        yield chip
    finally:
        with suppress(OSError):
            chip.unplug()
        subprocess.run(["modprobe", "-r", "i2c-stub"], check=False, timeout=60)
