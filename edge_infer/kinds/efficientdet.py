"""EfficientDet without the post-processing op: boxes and logits of five levels."""

from collections.abc import Mapping, Sequence

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode.anchors import efficientdet_anchors, efficientdet_levels
from edge_infer.decode.classify import Activation
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.ssd_raw import BoxCoder, Level, RawSsdDecoder
from edge_infer.errors import ModelError
from edge_infer.kinds.activation import activation_of
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.kinds.ssd_raw import columns_of, input_size
from edge_infer.types import TensorSpec

BOXES = 9  # in a cell
CODER = BoxCoder(scales=(1.0, 1.0, 1.0, 1.0))
# The side of the smallest anchor in cells, by the input's; else 4. Source: hparams_config.py of google/automl
# (efficientdet-lite0 to -lite2 have 3, all others of these sizes 4).
ANCHOR_SCALES = {320: 3.0, 384: 3.0, 448: 3.0}
SMALLEST = 128  # the side of the coarsest level's cells


def _find(clues: Clues) -> list[tuple[int, int]] | None:
    """For each level the places of its boxes and its scores; None where these are no EfficientDet's outputs."""
    size = input_size(clues)
    if size is None or min(size) < SMALLEST or len(clues.outputs) != 2 * len(efficientdet_levels(size)):
        return None
    found = []
    channels = set()
    for level in efficientdet_levels(size):
        places = [i for i, spec in enumerate(clues.outputs) if spec.shape[:-1] == (1, *level)]
        if len(places) != 2:
            return None
        boxes, scores = _told_apart(clues, places)
        found.append((boxes, scores))
        channels.add((clues.outputs[boxes].shape[-1], clues.outputs[scores].shape[-1]))
    if len(channels) != 1:
        return None
    coordinates, numbers = channels.pop()
    return found if coordinates == 4 * BOXES and numbers % BOXES == 0 else None


def _told_apart(clues: Clues, places: Sequence[int]) -> tuple[int, int]:
    """(boxes, scores) of a level: by the channels, with four classes by the name or, as exported, scores first."""
    first, second = places
    if clues.outputs[second].shape[-1] != 4 * BOXES:
        return first, second
    if clues.outputs[first].shape[-1] != 4 * BOXES or "box" not in clues.outputs[first].name.lower():
        return second, first
    return first, second


def _recognise(clues: Clues) -> str | None:
    return "the shapes of its outputs: nine boxes in each cell of five levels" if _find(clues) else None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    places, size = _find(recipe.clues), input_size(recipe.clues)
    if places is None or size is None:
        raise ModelError(
            f"the outputs of {recipe.clues.model.path} are not those of EfficientDet, which are boxes [1, h, w, 36] "
            "and scores [1, h, w, 9 * classes] of five levels: say what the model does, with --decoder, or decode: "
            "{kind: ...}"
        )
    anchors = efficientdet_anchors(size, _anchor_scale(recipe.clues))
    count = specs[places[0][1]].shape[-1] // BOXES
    return RawSsdDecoder(
        specs,
        [Level(boxes, scores, level) for (boxes, scores), level in zip(places, anchors, strict=True)],
        columns_of(recipe.labels, count, background=False, where=str(recipe.clues.model.path)),
        recipe.labels,
        coder=CODER,
        activation=_activation(recipe, places)[0],
        classes=recipe.filter(),
        **recipe.given("min_score", "max_results", "iou", "agnostic"),
    )


def _anchor_scale(clues: Clues) -> float:
    size = input_size(clues)
    return ANCHOR_SCALES.get(size[0], 4.0) if size else 4.0


def _activation(recipe: Recipe, places: Sequence[tuple[int, int]]) -> tuple[Activation, str]:
    if recipe.decode.activation is not None:
        return recipe.decode.activation, recipe.found.get("activation", "you")
    return activation_of(recipe.clues, places[0][1], one_for_all=False)


def _explain(recipe: Recipe) -> Mapping[str, tuple[str, str]]:
    places = _find(recipe.clues)
    if places is None:
        return {}
    return {
        "order": (", ".join(f"boxes {boxes} scores {scores}" for boxes, scores in places), "the shapes"),
        "anchors": (f"nine in a cell, the smallest {_anchor_scale(recipe.clues):g} cells wide", "the input's size"),
        "activation": _activation(recipe, places),
    }


EFFICIENTDET = Kind(
    name="efficientdet",
    task="detect",
    summary="raw boxes and scores of five levels: EfficientDet without the post-processing op",
    build=_build,
    recognise=_recognise,
    # Source: google/automl: hparams_config.py (mean_rgb 127, stddev_rgb 128 of the lite models), dataloader.py (the
    # aspect is kept, what is missing right and below is the mean), tf2/postprocess.py (iou_thresh 0.5, 100 boxes).
    usual_prepare=Prepare(resize="letterbox-topleft", pad=127, mean=(127.0,), std=(128.0,)),
    usual_decode=Decode(min_score=0.5, iou=0.5, max_results=100),
    explain=_explain,
)
