"""What an address of a source means, read from the address alone."""

import re
from pathlib import Path
from typing import Literal, TypeAlias

from edge_infer.errors import InputError
from edge_infer.tape.folder import is_recording

Kind: TypeAlias = Literal[
    "camera", "picamera", "stream", "video", "images", "replay", "mic", "wav", "pcm", "iio", "serial", "table", "mqtt"
]

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)
# Source: OpenCV documentation, imread, the formats that every build of the wheels decodes
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".dib", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".pq"})
WAV_SUFFIXES = frozenset({".wav", ".wave", ".rf64", ".bw64"})

UNDERSTOOD = (
    "a camera (0, /dev/video0, /dev/v4l/by-id/...), picamera, a stream (rtsp://, http://, udp://), "
    "a video (clip.mp4), a picture (photo.jpg), a folder, a pattern (*.jpg), a folder of recorded inputs, "
    "a microphone (mic, mic:NAME), a sound (x.wav), bare samples of sound (pcm:PATH, pcm:tcp://host:port, -), "
    "a sensor (iio:NAME, /dev/ttyUSB0, /dev/serial/by-id/...), a table of readings (x.csv, x.parquet), "
    "readings over MQTT (mqtt://host/topic)"
)
_PATTERNS: dict[Kind, re.Pattern[str]] = {
    "camera": re.compile(r"\d+|/dev/video\d+|/dev/v4l/by-(id|path)/.+", re.ASCII),
    "picamera": re.compile(r"picamera"),
    "mic": re.compile(r"mic(:.*)?"),
    "pcm": re.compile(r"-|pcm:.*"),
    "iio": re.compile(r"iio:.+|/dev/iio:device\d+", re.ASCII),
    "serial": re.compile(r"/dev/(tty(USB|ACM|AMA|S)\d+|serial\d|rfcomm\d+|serial/by-(id|path)/.+)", re.ASCII),
    "mqtt": re.compile(r"mqtts?://.*", re.IGNORECASE),
    "stream": re.compile(rf"({'|'.join(STREAM_SCHEMES)})://.*", re.IGNORECASE),
}
_FILES: dict[Kind, frozenset[str]] = {"wav": WAV_SUFFIXES, "table": TABLE_SUFFIXES, "video": VIDEO_SUFFIXES}
# A password may hold an "@", and carelessly written ones a "/"; digits before the first "/" are a port.
_USERINFO = re.compile(r"://(?P<user>[^:/@]*):(?:[^/]*|(?!\d+/).*)@")
_QUERY_SECRET = re.compile(r"(?P<key>[?&;][^=&;]*(?:pass|pwd|token|secret|key|auth)[^=&;]*)=[^&;#]*", re.IGNORECASE)


def kind_of(address: str | int) -> Kind:
    """Which kind of source `address` names.

    Raises:
        InputError: none; the message lists what is understood.
    """
    text = str(address)
    path, suffix = Path(text), Path(text).suffix.lower()
    for kind, pattern in _PATTERNS.items():
        if pattern.fullmatch(text):
            return kind
    if text and path.is_fifo():
        return "pcm"
    for kind, suffixes in _FILES.items():
        if suffix in suffixes and not path.is_dir():
            return kind
    if is_recording(path):
        return "replay"
    if suffix in IMAGE_SUFFIXES or text.endswith("/") or set(text) & set("*?[") or (text and path.is_dir()):
        return "images"
    raise InputError(f"{mask(text)!r} is no source that edge_infer knows: give {UNDERSTOOD}")


def mask(uri: str) -> str:
    """The same URL with its passwords replaced by ***: for names, messages and logs."""
    uri = _USERINFO.sub(r"://\g<user>:***@", uri)
    return _QUERY_SECRET.sub(r"\g<key>=***", uri)
