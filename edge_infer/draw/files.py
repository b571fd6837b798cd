"""Drawn pictures as files."""

from pathlib import Path

import cv2

from edge_infer.errors import UnavailableError
from edge_infer.types import Array

VIDEO_QUALITY = 80  # of 100: a third of the bytes, and moving pictures show no difference


def encode_jpeg(image: Array, quality: int = 95) -> bytes:
    """The picture as a JPEG file; quality 0..100."""
    return cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


def save(image: Array, path: Path) -> Path:
    """Write the picture as a JPEG; its folder is made.

    Raises:
        UnavailableError: it cannot be written there.
    """
    return _write(encode_jpeg(image), path)


def save_png(values: Array, path: Path) -> Path:
    """Write `(height, width) uint8 or uint16` values as a grey PNG, which keeps them exactly; its folder is made.

    Raises:
        UnavailableError: it cannot be written there.
    """
    return _write(cv2.imencode(".png", values)[1].tobytes(), path)


def _write(content: bytes, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UnavailableError(f"cannot write the picture {path}: {error.strerror}") from error
    return path
