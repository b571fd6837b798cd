"""Semantic segmentation."""

from collections.abc import Mapping, Sequence

from edge_infer.bundle.labels import labels_from
from edge_infer.bundle.manifest import Decode
from edge_infer.bundle.mediapipe import segmenter_activation
from edge_infer.decode.classify import Activation
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.segment import SegmentDecoder, holds_ids
from edge_infer.errors import ModelError
from edge_infer.kinds.activation import activation_of, holds_scores
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.kinds.ssd_raw import input_size
from edge_infer.types import TensorSpec

FEWEST = 16  # pixels a side: what is smaller, and smaller than the input, is no picture
RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")


def _recognise(clues: Clues) -> str | None:
    if len(clues.outputs) != 1:
        return None
    spec, operator = clues.outputs[0], clues.model.output_operators[0]
    if len(spec.shape) not in (3, 4) or spec.shape[0] != 1:
        return None
    height, width, classes = _pixels(clues, spec.shape)
    whole = (width, height) == input_size(clues)
    if min(height, width) < FEWEST and not whole:
        return None
    if operator == "ARG_MAX" and classes == 1:
        return "the op ARG_MAX at its end"
    if segmenter_activation(clues.metadata):
        return "the segmenter's metadata"
    labels = len(labels_from(clues.model, clues.metadata, 0))
    if classes == 1:
        if whole and (holds_ids(spec) or operator == "LOGISTIC" or holds_scores(spec)):
            return "one number for each pixel of the input"
        return None
    if labels == classes:
        return "a label for each channel of the output"
    # What has three channels and is no score of classes may be a picture.
    if whole and (operator == "SOFTMAX" or (operator in RESIZES and classes != 3)):
        return f"the op {operator} for each pixel of the input"
    return None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    if len(specs) != 1:
        raise ModelError(
            f"{recipe.clues.model.path} has {len(specs)} outputs; segmentation has one, with the class of each pixel"
        )
    return SegmentDecoder(
        specs[0],
        shapes[0],
        recipe.labels,
        classes=recipe.filter(),
        activation=_activation(recipe)[0],
        channels_first=_channels_first(recipe.clues, shapes[0]),
        **recipe.given("min_score"),
    )


def _activation(recipe: Recipe) -> tuple[Activation, str]:
    if recipe.decode.activation is not None:
        return recipe.decode.activation, recipe.found.get("activation", "you")
    return activation_of(recipe.clues, 0, one_for_all=False)


def _explain(recipe: Recipe) -> Mapping[str, tuple[str, str]]:
    height, width, classes = _pixels(recipe.clues, recipe.clues.outputs[0].shape)
    size = f"{width}x{height}, {classes if classes > 1 else 'one'} for each pixel"
    found = {"map": (f"{size}; classes are chosen at this size, then enlarged by the nearest pixel", "the output")}
    if classes == 1 and not holds_ids(recipe.clues.outputs[0]):
        found["activation"] = _activation(recipe)
    return found


def _classes(clues: Clues) -> int:
    """As many as the output has numbers for each pixel; of one number nothing is known."""
    classes = _pixels(clues, clues.outputs[0].shape)[2] if len(clues.outputs) == 1 else 0
    return classes if classes > 1 else 0


def _pixels(clues: Clues, shape: Shape) -> tuple[int, int, int]:
    """(height, width, classes) of an output."""
    if len(shape) != 4:
        return (*shape[1:3], 1) if len(shape) == 3 else (0, 0, 0)
    return (shape[2], shape[3], shape[1]) if _channels_first(clues, shape) else (shape[1], shape[2], shape[3])


def _channels_first(clues: Clues, shape: Shape) -> bool:
    """True for [1, classes, height, width], where the input's size tells: exporters from PyTorch may leave it so."""
    size = input_size(clues)
    if len(shape) != 4 or size is None:
        return False
    width, height = size
    return shape[2:4] == (height, width) and shape[1:3] != (height, width)


SEGMENT = Kind(
    name="segment",
    task="segment",
    summary="the class of each pixel: class ids, or a score for each class",
    build=_build,
    recognise=_recognise,
    usual_decode=Decode(min_score=0.5),
    classes=_classes,
    explain=_explain,
)
