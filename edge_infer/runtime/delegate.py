"""Accelerators: what a device string means, whether one is there, and its delegate."""

import ctypes
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_infer.errors import DelegateError, UsageError
from edge_infer.runtime.libraries import Library

EDGETPU_LIBRARY = "libedgetpu.so.1"
ENTRY_POINT = "tflite_plugin_create_delegate"  # Source: external_delegate_interface.h of TensorFlow Lite
# A USB Accelerator shows the first id until its firmware is loaded, then the second. Source: libedgetpu, usb_driver.
BARE_ID, READY_ID = ("1a6e", "089a"), ("18d1", "9302")
FIRMWARE_S = 5.0  # until a USB Accelerator is back on the bus after its firmware was loaded
EXTERNAL = "external"
DEVICE = r"^(auto|cpu|external|edgetpu(:(usb|pci))?(:\d+)?)$"


class AbsentError(DelegateError):
    """No accelerator is there: nothing is broken."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One Edge TPU that the system shows: `kind` is `usb` or `pci`, `path` where it was seen.

    `ready` is false for a USB Accelerator that waits for its firmware, which the first user loads.
    """

    kind: str
    path: str
    ready: bool = True


def check_device(device: str) -> str:
    """The device string itself, if it is one.

    Raises:
        UsageError: it is not.
    """
    if not re.fullmatch(DEVICE, device):
        raise UsageError(f"device '{device}' is not known; use auto, cpu, external or edgetpu[:usb|:pci][:N]")
    return device


def find_accelerators(root: Path = Path("/")) -> list[Accelerator]:
    """Edge TPUs that the system shows, without touching them."""
    found = [Accelerator("pci", str(path)) for path in sorted(root.glob("dev/apex_*"))]
    for vendor in sorted(root.glob("sys/bus/usb/devices/*/idVendor")):
        with suppress(OSError):  # it is being unplugged
            ids = (vendor.read_text().strip(), (vendor.parent / "idProduct").read_text().strip())
            if ids in (BARE_ID, READY_ID):
                found.append(Accelerator("usb", str(vendor.parent), ids == READY_ID))
    return found


def await_firmware(root: Path = Path("/")) -> None:
    """Wait until every USB Accelerator is back on the bus: loading its firmware takes it off for a moment."""
    deadline = time.monotonic() + FIRMWARE_S
    while any(not found.ready for found in find_accelerators(root)) and time.monotonic() < deadline:
        time.sleep(0.05)


def load_edgetpu(library: Library, device: str, path: str | None = None) -> Any:
    """The Edge TPU's delegate for `edgetpu[:usb|:pci][:N]`.

    Raises:
        DelegateError: its library is missing, or it refuses; the message says which and what to do.
    """
    path = path or EDGETPU_LIBRARY
    _check_library(path, "Edge TPU", "Install libedgetpu1-std (Coral's packages)")
    try:
        return library.load_delegate(path, {"device": _known_to_libedgetpu(device)})
    except (OSError, ValueError, RuntimeError) as error:
        raise DelegateError(
            f"the Edge TPU '{device}' does not start: {_one_line(error)}. Is it plugged in, and may this user use it? "
            "`edge-infer devices` shows what is there"
        ) from error


def load_external(library: Library, path: str, options: Mapping[str, str]) -> Any:
    """Any delegate that is a library of its own, with the options that it knows.

    Raises:
        DelegateError: it is missing, or it refuses; the message says which and what to do.
    """
    _check_library(path, "external delegate", "Check `delegate`")
    try:
        return library.load_delegate(path, dict(options))
    except (OSError, ValueError, RuntimeError) as error:
        raise DelegateError(
            f"the external delegate {path} does not start: {_one_line(error)}. Check `delegate_options`"
        ) from error


def _check_library(path: str, what: str, advice: str) -> None:
    """The runtimes' own load_delegate would print "Exception ignored in Delegate.__del__" where this fails."""
    try:
        getattr(ctypes.CDLL(path), ENTRY_POINT)
    except (OSError, AttributeError) as error:
        raise DelegateError(f"no {what}: {error}. {advice}, or set device: cpu") from error


def _one_line(error: Exception) -> str:
    return str(error).strip().replace("\n", " ")


def _known_to_libedgetpu(device: str) -> str:
    """One of "", "usb", "pci", ":N", "usb:N" or "pci:N". Source: make_interpreter of pycoral, utils/edgetpu.py."""
    kind = device.removeprefix("edgetpu")
    return kind if kind.removeprefix(":").isdecimal() else kind.removeprefix(":")
