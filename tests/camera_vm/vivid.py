"""The camera that the kernel's driver vivid plays, and what can befall it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import until

DRIVER = Path("/sys/bus/platform/drivers/vivid")
DEVICE = "vivid.0"
PORT = Path(f"/dev/v4l/by-path/platform-{DEVICE}-video-index0")


def node() -> str:
    """/dev/videoN, as it is now."""
    return str(PORT.resolve(strict=True))


def control(name: str, value: int) -> None:
    """Source: linux, Documentation/admin-guide/media/vivid.rst."""
    subprocess.run(["v4l2-ctl", "--device", str(PORT), "--set-ctrl", f"{name}={value}"], check=True, timeout=20)


@contextmanager
def frozen() -> Iterator[None]:
    """It gives the same picture again and again: the test pattern without the clock in it."""
    control("osd_text_mode", 2)
    try:
        yield
    finally:
        control("osd_text_mode", 0)


@contextmanager
def silent() -> Iterator[None]:
    """It is there but gives no frame."""
    control("percentage_of_dropped_buffers", 100)
    try:
        yield
    finally:
        control("percentage_of_dropped_buffers", 0)


def is_plugged() -> bool:
    return (DRIVER / DEVICE).exists()


def unplug() -> None:
    (DRIVER / "unbind").write_text(DEVICE)
    until(lambda: not PORT.is_symlink(), what="the end of udev's link")


def plug() -> None:
    """It gets the lowest number that is free."""
    (DRIVER / "bind").write_text(DEVICE)
    until(PORT.exists, what="udev's link")


@contextmanager
def number_taken() -> Iterator[None]:
    """Somebody keeps it open, so that it comes back under another number once it was unplugged."""
    with Path(node()).open("rb"):
        yield
