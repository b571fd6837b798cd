"""What an address of a source means, read from the address alone."""

import re
from pathlib import Path
from typing import Literal, TypeAlias

from edge_infer.errors import InputError

Kind: TypeAlias = Literal["camera", "picamera", "stream", "video", "images"]

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)
# Source: OpenCV documentation, imread, the formats that every build of the wheels decodes
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".dib", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

UNDERSTOOD = (
    "a camera (0, /dev/video0, /dev/v4l/by-id/...), picamera, a stream (rtsp://, http://, udp://), "
    "a video (clip.mp4), a picture (photo.jpg), a folder, a pattern (*.jpg)"
)
_DEVICE = re.compile(r"\d+|/dev/video\d+|/dev/v4l/by-(id|path)/.+", re.ASCII)
_URL = re.compile(rf"({'|'.join(STREAM_SCHEMES)})://", re.IGNORECASE)
# A password may hold an "@", and carelessly written ones a "/"; digits before the first "/" are a port.
_USERINFO = re.compile(r"://(?P<user>[^:/@]*):(?:[^/]*|(?!\d+/).*)@")
_QUERY_SECRET = re.compile(r"(?P<key>[?&;][^=&;]*(?:pass|pwd|token|secret|key|auth)[^=&;]*)=[^&;#]*", re.IGNORECASE)


def kind_of(address: str | int) -> Kind:
    """Which kind of source `address` names.

    Raises:
        InputError: none; the message lists what is understood.
    """
    text = str(address)
    suffix = Path(text).suffix.lower()
    if _DEVICE.fullmatch(text):
        return "camera"
    if text == "picamera":
        return "picamera"
    if _URL.match(text):
        return "stream"
    if suffix in VIDEO_SUFFIXES and not Path(text).is_dir():
        return "video"
    if suffix in IMAGE_SUFFIXES or text.endswith("/") or set(text) & set("*?[") or (text and Path(text).is_dir()):
        return "images"
    raise InputError(f"{mask(text)!r} is no source that edge_infer knows: give {UNDERSTOOD}")


def mask(uri: str) -> str:
    """The same URL with its passwords replaced by ***: for names, messages and logs."""
    uri = _USERINFO.sub(r"://\g<user>:***@", uri)
    return _QUERY_SECRET.sub(r"\g<key>=***", uri)
