"""A golden test is made: pictures or windows of samples, and what the model says about them now."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from edge_infer.bundle.manifest import Golden
from edge_infer.errors import InputError, ModelError
from edge_infer.golden.comparison import Arrays, Limits
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.golden.file import MAX_FRAMES, golden_bytes
from edge_infer.model import Model
from edge_infer.types import Array, Frame, Measurements, Prediction

FILE = "golden.npz"
MAX_SIDE = 640  # px: no usual input is larger, and ten such pictures keep a bundle below 12 MB
# What is measured as nearly 0 may be so much off, as a part of the largest value: 2.5 steps of an 8-bit output.
LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Made:
    """The manifest's part, the file, and which frames prove nothing: nearly any model would pass them."""

    golden: Golden
    content: bytes
    weak: list[int]


def make_golden(
    frames: Sequence[Frame], model: Model, progress: Callable[[Sequence[Frame]], Iterable[Frame]] = iter
) -> Made:
    """The golden test of these frames; `model` is new, and used as its bundle will say.

    `progress` passes the frames on.

    Raises:
        InputError: there are too many, or none proves anything.
        ModelError: the model does not answer.
    """
    nouns = "windows" if model.wanted else "pictures"
    if len(frames) > MAX_FRAMES:
        raise InputError(f"a golden test has at most {MAX_FRAMES} {nouns}, these are {len(frames)}: choose some")
    predictions = [_said(model, frame) for frame in progress(frames)]
    name = next(name for name, each in COMPARISONS.items() if isinstance(predictions[0], each.prediction))
    golden = _with_least(Golden(file=Path(FILE), compare=name), predictions)  # type: ignore[arg-type]  # a test knows
    comparison = COMPARISONS[name]
    weak = [
        i
        for i, (frame, prediction) in enumerate(zip(frames, predictions, strict=True))
        if not comparison.proves(prediction, Limits(golden, model.recipe.decode, frame.size))
    ]
    if len(weak) == len(frames):
        raise InputError(
            f"on none of the {nouns} the model is sure of anything, so they prove nothing: give {nouns} of what it is "
            "made for, or say how it is to be used (--decoder, --mean, --color ...)"
        )
    recorded = [comparison.record(prediction) for prediction in predictions]
    _see_that_all_are_numbers(recorded, model, nouns)
    return Made(golden, golden_bytes(list(zip(frames, recorded, strict=True))), weak)


def reduced(picture: Array) -> Array:
    """The picture, made smaller where a side is longer than MAX_SIDE."""
    factor = MAX_SIDE / max(picture.shape[:2])
    if factor >= 1:
        return picture
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _said(model: Model, frame: Frame) -> Prediction:
    model.forget()
    result = model.predict(frame)
    if result.prediction is None:
        noun = "window" if frame.span else "picture"
        raise ModelError(f"{model.id} gives no answer to {noun} {frame.number}: {result.error}")
    return result.prediction


def _see_that_all_are_numbers(recorded: Sequence[Arrays], model: Model, nouns: str) -> None:
    for i, arrays in enumerate(recorded):
        if not all(np.isfinite(value).all() for value in arrays.values() if value.dtype.kind == "f"):
            raise ModelError(
                f"{model.id} gives NaN on {nouns[:-1]} {i}: see that it is fed as it was trained (--mean, --std)"
            )


def _with_least(golden: Golden, predictions: Sequence[Prediction]) -> Golden:
    measured = [np.abs(prediction.values) for prediction in predictions if isinstance(prediction, Measurements)]
    if not measured:
        return golden
    return msgspec.structs.replace(golden, min_tolerance=float(f"{LEAST * np.max(measured):.2g}"))
