"""Accelerators: what a device string means, whether one is there, and its delegate."""

import ctypes
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_infer.errors import DelegateError, UsageError
from edge_infer.runtime.libraries import Library

EDGETPU_LIBRARY = "libedgetpu.so.1"
ENTRY_POINT = "tflite_plugin_create_delegate"  # Source: external_delegate_interface.h of TensorFlow Lite
# A USB Accelerator shows the first id until its firmware is loaded, then the second. Source: libedgetpu, usb_driver.
USB_IDS = {("1a6e", "089a"), ("18d1", "9302")}
DEVICE = r"^(auto|cpu|edgetpu(:(usb|pci))?(:\d+)?)$"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One Edge TPU that the system shows: `kind` is `usb` or `pci`, `path` where it was seen."""

    kind: str
    path: str


def check_device(device: str) -> str:
    """The device string itself, if it is one.

    Raises:
        UsageError: it is not.
    """
    if not re.fullmatch(DEVICE, device):
        raise UsageError(f"device '{device}' is not known; use auto, cpu or edgetpu[:usb|:pci][:N]")
    return device


def find_accelerators(root: Path = Path("/")) -> list[Accelerator]:
    """Edge TPUs that the system shows, without touching them."""
    found = [Accelerator("pci", str(path)) for path in sorted(root.glob("dev/apex_*"))]
    for vendor in sorted(root.glob("sys/bus/usb/devices/*/idVendor")):
        with suppress(OSError):  # it is being unplugged
            ids = (vendor.read_text().strip(), (vendor.parent / "idProduct").read_text().strip())
            if ids in USB_IDS:
                found.append(Accelerator("usb", str(vendor.parent)))
    return found


def load_edgetpu(library: Library, device: str, path: str | None = None) -> Any:
    """The Edge TPU's delegate for `edgetpu[:usb|:pci][:N]`.

    Raises:
        DelegateError: its library is missing, or it refuses; the message says which and what to do.
    """
    path = path or EDGETPU_LIBRARY
    try:  # load_delegate would print "Exception ignored in Delegate.__del__" where this fails
        getattr(ctypes.CDLL(path), ENTRY_POINT)
    except (OSError, AttributeError) as error:
        raise DelegateError(
            f"no Edge TPU: {error}. Install libedgetpu1-std (Coral's packages), or set device: cpu"
        ) from error
    try:
        return library.load_delegate(path, {"device": _known_to_libedgetpu(device)})
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().replace("\n", " ")
        raise DelegateError(
            f"the Edge TPU '{device}' does not start: {reason}. Is it plugged in, and may this user use it? "
            "`edge-infer devices` shows what is there"
        ) from error


def _known_to_libedgetpu(device: str) -> str:
    """One of "", "usb", "pci", ":N", "usb:N" or "pci:N". Source: make_interpreter of pycoral, utils/edgetpu.py."""
    kind = device.removeprefix("edgetpu")
    return kind if kind.removeprefix(":").isdecimal() else kind.removeprefix(":")
