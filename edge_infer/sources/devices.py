"""The cameras that this machine has."""

import fcntl
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

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
        by_id: a path that stays with the device, if udev made one
    """

    index: int
    path: str
    name: str
    by_id: str | None = None

    def __str__(self) -> str:
        return f"{self.path} ({self.name}{f', {self.by_id}' if self.by_id else ''})"


def list_cameras(root: Path = Path("/")) -> list[Camera]:
    """All V4L2 capture devices, by index; `root` is where sys/ and dev/ lie.

    A node that can be asked is listed if it captures video. One that cannot (no permission) is listed if it is the
    first of its device: a webcam's second node carries metadata only.
    """
    by_id = _stable_paths(root)
    cameras = []
    for node in (root / "sys/class/video4linux").glob("video*"):
        number = re.fullmatch(r"video(\d+)", node.name)
        device = root / "dev" / node.name
        if number is None or not device.exists() or not _captures(device, _text(node / "index")):
            continue
        name = _text(node / "name") or "unnamed"
        cameras.append(Camera(int(number[1]), f"/dev/{node.name}", name, by_id.get(node.name)))
    return sorted(cameras, key=lambda camera: camera.index)


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


def _stable_paths(root: Path) -> dict[str, str]:
    links = sorted((root / "dev/v4l/by-id").glob("*"))
    return {link.resolve().name: f"/dev/v4l/by-id/{link.name}" for link in links}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
