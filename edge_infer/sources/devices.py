"""The cameras that this machine has."""

import fcntl
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Source: linux/videodev2.h: _IOR('V', 0, struct v4l2_capability), whose device_caps lie at byte 88 of 104
_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY_SIZE = 104
_DEVICE_CAPS_OFFSET = 88
_CAPTURE = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, _CAPTURE_MPLANE


@dataclass(frozen=True)
class Camera:
    """A device that pictures can be captured from.

    Attributes:
        index: N of /dev/videoN; may change when the camera is plugged in anew
        by_id: a path that stays with the device, if udev made one; two of one make without serial number share it
        by_path: a path that stays with the port that the device is plugged into, if udev made one
    """

    index: int
    path: str
    name: str
    by_id: str | None = None
    by_path: str | None = None

    @property
    def lasting(self) -> str | None:
        """The path that a configuration should name, if there is one that lasts."""
        return self.by_id or self.by_path

    def __str__(self) -> str:
        return f"{self.path} ({self.name}{f', {self.lasting}' if self.lasting else ''})"


def list_cameras(root: Path = Path("/")) -> list[Camera]:
    """All V4L2 capture devices, by index; `root` is where sys/ and dev/ lie.

    A node that can be asked is listed if it captures video. One that cannot (no permission) is listed if it is the
    first of its device: a webcam's second node carries metadata only.
    """
    by_id, by_path = links("by-id", root), links("by-path", root)
    cameras = []
    for node in entries(root / "sys/class/video4linux", "video*"):
        number = re.fullmatch(r"video(\d+)", node.name)
        device = root / "dev" / node.name
        if number is None or not device.exists() or not _captures(device, _text(node / "index")):
            continue
        name = _text(node / "name") or "unnamed"
        lasting = by_id.get(node.name), by_path.get(node.name)
        cameras.append(Camera(int(number[1]), f"/dev/{node.name}", name, *lasting))
    return sorted(cameras, key=lambda camera: camera.index)


def links(kind: Literal["by-id", "by-path"], root: Path = Path("/")) -> dict[str, str]:
    """The paths that udev made, by the name of the node (videoN) that they lead to now; the first of several."""
    found = entries(root / "dev/v4l" / kind, "*")
    return {link.resolve().name: f"/dev/v4l/{kind}/{link.name}" for link in reversed(found)}


def entries(folder: Path, pattern: str) -> list[Path]:
    """What is in a folder, sorted; nothing, too, where it vanishes meanwhile, as with the last camera it does."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _captures(device: Path, index: str) -> bool:
    answer = bytearray(_CAPABILITY_SIZE)
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return index in ("", "0")
    try:
        fcntl.ioctl(handle, _VIDIOC_QUERYCAP, answer)
    except OSError:
        return index in ("", "0")
    finally:
        os.close(handle)
    (capabilities,) = struct.unpack_from("<I", answer, _DEVICE_CAPS_OFFSET)
    return bool(capabilities & _CAPTURE)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
