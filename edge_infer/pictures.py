"""What counts as a picture, and how large it may be."""

import os

import numpy as np

from edge_infer.errors import InputError, UsageError
from edge_infer.types import Array, Size

MAX_PIXELS = 100_000_000  # 300 MB once decoded, and 600 while that is done (measured): a board with 1 GB can
MAX_PIXELS_VARIABLE = "EDGE_INFER_MAX_PIXELS"


def to_bgr(image: Array) -> Array:
    """`(height, width, 3) uint8` BGR of such a picture, of a grey one, or of BGRA, whose transparency is left out.

    A view where nothing has to be copied.

    Raises:
        InputError: it is something else; the message says how to make a picture of it.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(f"a picture is a numpy array or the path of a file, not {type(image).__name__}")
    if image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(f"{_wanted(image)}{_to_bytes(image)}")
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    if image.ndim == 3 and image.shape[2] == 4:
        return image[:, :, :3]
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    raise InputError(f"{_wanted(image)}{_to_image(image)}")


def check_size(size: Size, shown: object) -> None:
    """A picture of this size may be decoded.

    Raises:
        InputError: it would take too much memory.
        UsageError: the limit in the environment is none.
    """
    width, height = size
    said = os.environ.get(MAX_PIXELS_VARIABLE) or str(MAX_PIXELS)
    if not said.isdecimal():
        raise UsageError(f"the environment variable {MAX_PIXELS_VARIABLE} is '{said}', which is no number of pixels")
    limit = int(said)
    if width * height > limit:
        raise InputError(
            f"{shown} has {width}x{height} pixels, which take {width * height * 3 / 1e6:.0f} MB; the limit is "
            f"{limit / 1e6:.0f} million pixels: make it smaller, or set the environment variable {MAX_PIXELS_VARIABLE}"
        )


def _wanted(image: Array) -> str:
    return f"a picture is (height, width, 3) uint8 BGR; this one is {image.shape} {image.dtype}"


def _to_bytes(image: Array) -> str:
    if 0 in image.shape:
        return ", without a single pixel"
    if image.dtype.kind == "f":
        return ": if its values are 0..1, give (image * 255).round().astype(numpy.uint8)"
    if image.dtype == np.uint16:
        return ": if its values are 0..65535, give (image >> 8).astype(numpy.uint8)"
    return ": give image.astype(numpy.uint8), if its values are 0..255"


def _to_image(image: Array) -> str:
    if image.ndim == 4:
        return ": give the pictures of a batch one by one, such as image[0]"
    if image.ndim == 3 and image.shape[0] in (1, 3, 4):
        return ": its channels stand first, give image.transpose(1, 2, 0)"
    return ""
