"""A captured picture becomes a model's input tensor.

What decides the numbers (measured, docs/accuracy.md): stretch unless the model says otherwise, `INTER_LINEAR`,
resize before the colour conversion.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal, TypeAlias

import cv2
import numpy as np

from edge_infer.errors import InputError, ModelError
from edge_infer.pictures import to_bgr
from edge_infer.types import Array, Geometry, Size, TensorSpec

Resize: TypeAlias = Literal["stretch", "letterbox", "letterbox-topleft", "crop"]
Color: TypeAlias = Literal["rgb", "bgr", "gray"]

STORED_TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float16, np.float32)  # what cv2.LUT makes


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How a picture becomes an input.

    Attributes:
        resize: `stretch` to the input's size, keep the aspect and pad (`letterbox` centred), or take the middle only
            (`crop`)
        pad: grey level of the padding, 0..255
        color: order of the channels that the model was trained with; None: rgb, or gray for one channel
        mean, std: `(x - mean) / std` of 0..255 values, one or three numbers; None: not known
        roi: x0, y0, x1, y1 in captured-frame pixels: only this part is looked at
    """

    resize: Resize = "stretch"
    pad: int = 0
    color: Color | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    roi: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done with pictures of one size."""

    shape: tuple[int, ...]
    columns: slice
    rows: slice
    geometry: Geometry
    placed: Size  # of the picture in the input
    target: tuple[slice, slice]  # rows and columns of the input that it covers


class ImagePreparer:
    """Makes `(1, height, width, channels)`, `(1, 3, height, width)` or `(1, height, width)` inputs of BGR pictures."""

    def __init__(self, spec: TensorSpec, options: ImageOptions, buffers: int = 1) -> None:
        """An input is valid until so many more calls as there are `buffers`, which are used in turn."""
        self.spec = spec
        self.options = options
        self.size, self.channels = image_layout(spec)
        self.color = options.color or ("gray" if self.channels == 1 else "rgb")
        if (self.color == "gray") != (self.channels == 1):
            raise ModelError(f"color is {self.color}, but input '{spec.name}' has {self.channels} channels")
        self._channels_first = self.channels > 1 and spec.shape[-1] != self.channels
        self._table = value_table(spec, options.mean, options.std)
        width, height = self.size
        layout = (height, width) if self.channels == 1 else (height, width, self.channels)
        self._resized = np.full((height, width, 3), options.pad, np.uint8)
        self._colored = np.empty(layout, np.uint8)
        self._looked_up = np.empty(layout, spec.dtype)
        first = (self.channels, height, width) if self._channels_first else layout
        self._outputs = cycle([np.empty(first, spec.dtype) for _ in range(buffers)])
        self._plan: _Plan | None = None

    def __call__(self, image: Array) -> tuple[Array, Geometry]:
        """The input tensor and how to map back.

        The tensor is only valid for a while: it is a buffer that is used again.

        Raises:
            InputError: not a `uint8` picture (BGR, BGRA or grey), or the region of interest lies outside it.
        """
        image = to_bgr(image)
        plan = self._plan
        if plan is None or plan.shape != image.shape:
            self._plan = plan = self._planned(image)
            self._resized[:] = self.options.pad  # where another picture lay
        output = next(self._outputs)
        self._fill(output, self._resize(image[plan.rows, plan.columns], plan))
        return output.reshape(self.spec.shape), plan.geometry

    def _planned(self, image: Array) -> _Plan:
        part, origin = crop(image, self.options.roi)
        if self.options.resize == "crop":
            part, origin = middle(part, origin, self.size)
        height, width = part.shape[:2]
        geometry = fit((image.shape[1], image.shape[0]), (width, height), origin, self.size, self.options)
        placed = (round(width * geometry.scale[0]), round(height * geometry.scale[1]))
        x, y = round(geometry.pad[0]), round(geometry.pad[1])
        target = (slice(y, y + placed[1]), slice(x, x + placed[0]))
        rows, columns = slice(origin[1], origin[1] + height), slice(origin[0], origin[0] + width)
        return _Plan(image.shape, columns, rows, geometry, placed, target)

    def _resize(self, part: Array, plan: _Plan) -> Array:
        if plan.placed == self.size:
            return cv2.resize(part, plan.placed, dst=self._resized, interpolation=cv2.INTER_LINEAR)
        self._resized[plan.target] = cv2.resize(part, plan.placed, interpolation=cv2.INTER_LINEAR)
        return self._resized

    def _fill(self, output: Array, resized: Array) -> None:
        """Colour, then values, then the order of the channels; the last of them writes into the output."""
        copied, ordered = self._table is None, not self._channels_first
        values = self._recolor(resized, output if copied and ordered else self._colored)
        if self._table is not None:
            values = cv2.LUT(values, self._table, dst=output if ordered else self._looked_up)
        if not ordered:
            np.copyto(output, values.transpose(2, 0, 1))
        elif values is not output:
            np.copyto(output, values)

    def _recolor(self, image: Array, into: Array) -> Array:
        if self.color == "bgr":
            return image
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if self.color == "gray" else cv2.COLOR_BGR2RGB, dst=into)

    def serves(self, other: "ImagePreparer") -> bool:
        """Whether it makes what the other one makes."""
        return self is other or (self.spec == other.spec and self.options == other.options)


def image_layout(spec: TensorSpec) -> tuple[Size, int]:
    """((width, height), channels) of an input that takes one picture.

    Raises:
        ModelError: the input takes something else.
    """
    shape = spec.shape
    if len(shape) == 4 and shape[0] == 1 and shape[3] in (1, 3) and min(shape) > 0:
        return (shape[2], shape[1]), shape[3]
    if len(shape) == 3 and shape[0] == 1 and min(shape) > 0:
        return (shape[2], shape[1]), 1
    if len(shape) == 4 and shape[:2] == (1, 3) and min(shape) > 0:  # what PyTorch's own converter leaves as it is
        return (shape[3], shape[2]), 3
    raise ModelError(
        f"input '{spec.name}' has shape {list(shape)}; a picture needs [1, height, width, 3 or 1], "
        "[1, 3, height, width] or [1, height, width]"
    )


def crop(image: Array, roi: tuple[float, float, float, float] | None) -> tuple[Array, tuple[int, int]]:
    """The part of the picture inside `roi` (a view, from whole pixel to whole pixel), and its origin.

    Raises:
        InputError: the region is empty or not inside the picture.
    """
    if roi is None:
        return image, (0, 0)
    height, width = image.shape[:2]
    shown = ",".join(f"{v:g}" for v in roi)
    if not all(map(math.isfinite, roi)):
        raise InputError(f"roi {shown} holds what is no number: give x0,y0,x1,y1 in pixels")
    x0, y0, x1, y1 = (round(v) for v in roi)
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        why = ": it holds no pixel, give x0 < x1 and y0 < y1" if x0 >= x1 or y0 >= y1 else ""
        raise InputError(f"roi {shown} does not lie inside the picture, which is {width}x{height}{why}")
    return image[y0:y1, x0:x1], (x0, y0)


def middle(part: Array, origin: tuple[int, int], input_size: Size) -> tuple[Array, tuple[int, int]]:
    """The largest part in the middle that has the input's proportions (a view), and its origin.

    Source: torchvision's Resize and CenterCrop, as Ultralytics' classifiers have them.
    """
    height, width = part.shape[:2]
    factor = min(width / input_size[0], height / input_size[1])
    columns, rows = (max(1, round(side * factor)) for side in input_size)
    x, y = (width - columns) // 2, (height - rows) // 2
    return part[y : y + rows, x : x + columns], (origin[0] + x, origin[1] + y)


def fit(
    frame_size: Size, part_size: Size, origin: tuple[int, int], input_size: Size, options: ImageOptions
) -> Geometry:
    """How a part of a frame is placed in the input."""
    scale = (input_size[0] / part_size[0], input_size[1] / part_size[1])
    pad = (0, 0)
    if options.resize in ("letterbox", "letterbox-topleft"):
        factor = min(scale)
        placed = tuple(max(1, round(side * factor)) for side in part_size)
        scale = (placed[0] / part_size[0], placed[1] / part_size[1])
        if options.resize == "letterbox":
            pad = ((input_size[0] - placed[0]) // 2, (input_size[1] - placed[1]) // 2)
    return Geometry(frame_size, input_size, origin, scale, pad, part_size)


def value_table(spec: TensorSpec, mean: Sequence[float] | None, std: Sequence[float] | None) -> Array | None:
    """What each pixel value 0..255 becomes, `(256,)` or `(1, 256, channels)`; None where it stays as it is.

    A quantised input stores `((x - mean) / std) / scale + zero_point`; where that is x within one step, or where
    the normalisation is not known, pixels are copied (int8: shifted by 128), as tflite-support does.

    Raises:
        ModelError: a float input without mean and std, numbers that make no sense, an input that takes no pictures.
    """
    if spec.dtype not in STORED_TYPES:
        raise ModelError(f"input '{spec.name}' has type {spec.dtype}, which takes no pictures")
    pixels = np.arange(256, dtype=np.float32)
    if mean is None or std is None:
        if spec.dtype.kind == "f":
            raise ModelError(
                f"input '{spec.name}' takes floats and the file does not say how pixels are normalised: "
                "give mean and std, for example --mean 127.5 --std 127.5 for -1..1, --mean 0 --std 255 for 0..1, or "
                "--mean 0 --std 1 where the model itself makes that of 0..255"
            )
        return _copied(spec, pixels)
    _check_normalization(spec, mean, std)
    real = (pixels[:, None] - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)  # (256, 1 or channels)
    if spec.dtype.kind == "f":
        return _as_table(real.astype(spec.dtype))
    if not spec.quantized and spec.dtype.itemsize == 1:
        return _copied(spec, pixels)
    stored = np.round(real / spec.scale[0]) + spec.zero_point[0] if spec.quantized else np.round(real)
    shift = 128 if spec.dtype == np.int8 else 0
    if spec.dtype.itemsize == 1 and np.abs(stored - (pixels[:, None] - shift)).max() <= 1:
        return _copied(spec, pixels)
    limits = np.iinfo(spec.dtype)
    return _as_table(stored.clip(limits.min, limits.max).astype(spec.dtype))


def _check_normalization(spec: TensorSpec, mean: Sequence[float], std: Sequence[float]) -> None:
    if 0 in std:
        raise ModelError(f"std is 0 for input '{spec.name}': normalisation would divide by zero")
    if not np.isfinite([*mean, *std]).all():
        raise ModelError(f"mean or std of input '{spec.name}' is no number: give one number, or one for each channel")
    channels = image_layout(spec)[1]
    if not {len(mean), len(std)} <= {1, channels}:
        raise ModelError(
            f"input '{spec.name}' has {channels} channels, but there are {len(mean)} values for mean and {len(std)} "
            "for std: give one number, or one for each channel"
        )


def _as_table(values: Array) -> Array:
    return values.reshape(256) if values.shape[1] == 1 else values.reshape(1, 256, -1)


def _copied(spec: TensorSpec, pixels: Array) -> Array | None:
    if spec.dtype == np.uint8:
        return None
    if spec.dtype == np.int8:
        return (pixels - 128).astype(np.int8)
    raise ModelError(f"input '{spec.name}' has type {spec.dtype}: give mean and std, for example --mean 0 --std 1")
