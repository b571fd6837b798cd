"""One score for each class, in one output or several."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from edge_infer.bundle.calibration import parse_calibration
from edge_infer.bundle.labels import fitted, labels_from
from edge_infer.bundle.manifest import Decode
from edge_infer.decode.classify import Activation, Calibrate, ClassifyDecoder, HeadsDecoder
from edge_infer.decode.decoder import Decoder
from edge_infer.errors import ModelError
from edge_infer.kinds.activation import ACTIVATIONS, activation_of, holds_scores, tensor_metadata
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

log = logging.getLogger(__name__)

CALIBRATION = "TENSOR_AXIS_SCORE_CALIBRATION"


def _recognise(clues: Clues) -> str | None:
    counts = [_numbers_of(spec.shape) for spec in clues.outputs]
    if len(clues.model.inputs) != 1 or not counts or 0 in counts:
        return None
    if len(counts) > 1 and set(clues.model.output_operators) == {"SOFTMAX"} and min(counts) > 1:
        return "the op SOFTMAX at the end of each output"
    if len(counts) > 1:
        labelled = [_axis_labels(clues, place) == count for place, count in enumerate(counts)]
        known = all(label or _ends_in_scores(clues, place) for place, label in enumerate(labelled))
        return "the labels that the metadata has for the outputs" if known and any(labelled) else None
    count, labels = counts[0], labels_from(clues.model, clues.metadata, 0)
    ends_in_scores = _ends_in_scores(clues, 0)
    if count == 1:  # one number may be anything: a label says that it is a score
        return "an output of one score, with labels" if ends_in_scores and 1 <= len(labels) <= 2 else None
    if ends_in_scores:
        return "an output of one probability for each class"
    return "a label for each number of the output" if len(fitted(labels, count)) == count else None


def _ends_in_scores(clues: Clues, place: int) -> bool:
    return clues.model.output_operators[place] in (*ACTIVATIONS, "LOG_SOFTMAX") or holds_scores(clues.outputs[place])


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    heads = [_head(recipe, place, spec) for place, spec in enumerate(specs)]
    if len(heads) == 1:
        return heads[0]
    own = [labels_from(recipe.clues.model, recipe.clues.metadata, place) for place in range(len(specs))]
    if recipe.labels and recipe.labels not in own:
        raise ModelError(
            f"{recipe.clues.model.path} has {len(specs)} outputs, and labels for one are given: labels of several come "
            "from its metadata; leave yours out"
        )
    return HeadsDecoder(dict(zip(_names(recipe.clues), heads, strict=True)))


def _head(recipe: Recipe, place: int, spec: TensorSpec) -> ClassifyDecoder:
    count = _numbers_of(spec.shape)
    if not count:
        raise ModelError(
            f"output '{spec.name}' of {recipe.clues.model.path} has shape {list(spec.shape)}, which is not one number "
            "for each class: say what the model does, with --decoder, or decode: {kind: ...}"
        )
    labels = recipe.labels
    if len(recipe.clues.outputs) > 1:
        own = fitted(labels_from(recipe.clues.model, recipe.clues.metadata, place), count)
        labels = own if len(own) == count else ()  # a file that no output is named for may be that of another
    return ClassifyDecoder(
        spec,
        fitted(labels, count),
        classes=recipe.filter(),
        calibrate=_calibration(recipe.clues, place),
        activation=_activation(recipe, place)[0],
        **recipe.given("top_k", "min_score"),
    )


def _activation(recipe: Recipe, place: int) -> tuple[Activation, str]:
    said = recipe.decode.activation
    if said is not None:
        return said, recipe.found.get("activation", "you")
    if _calibration_file(recipe.clues, place):
        return "none", "the calibration of its scores"
    return activation_of(recipe.clues, place, one_for_all=True)


def _explain(recipe: Recipe) -> Mapping[str, tuple[str, str]]:
    said = [_activation(recipe, place) for place in range(len(recipe.clues.outputs))]
    found = {"activation": (", ".join(name for name, _ in said), said[0][1])}
    if len(said) > 1:
        found["heads"] = (", ".join(_names(recipe.clues)), "the names of the outputs")
    return found


def _names(clues: Clues) -> list[str]:
    """Of the outputs, each only once."""
    said = (tensor_metadata(clues, place) for place in range(len(clues.outputs)))
    names = [
        (tensor.name if tensor else "") or spec.name or f"output_{place}"
        for place, (tensor, spec) in enumerate(zip(said, clues.outputs, strict=True))
    ]
    return [f"{name}_{place}" if names.count(name) > 1 else name for place, name in enumerate(names)]


def _numbers_of(shape: Shape) -> int:
    """How many numbers an output of that shape has, 0 where they do not lie in one row."""
    return int(np.prod(shape)) if shape and all(side == 1 for side in shape[:-1]) else 0


def _axis_labels(clues: Clues, place: int) -> int:
    said = tensor_metadata(clues, place)
    return len(labels_from(clues.model, clues.metadata, place)) if said and said.files else 0


def _calibration_file(clues: Clues, place: int) -> str | None:
    said = tensor_metadata(clues, place)
    if said is None or said.score_calibration is None:
        return None
    name = next((file.name for file in said.files if file.type == CALIBRATION), None)
    return name if name in clues.model.files else None


def _calibration(clues: Clues, place: int) -> Calibrate | None:
    said, name = tensor_metadata(clues, place), _calibration_file(clues, place)
    if said is None or said.score_calibration is None:
        return None
    if name is None:
        log.warning("the scores of %s are not calibrated: the file for that is not in it", clues.model.path)
        return None
    text = clues.model.files[name].decode("utf-8", "replace")
    unit = said.score_calibration
    return parse_calibration(text, unit.transform, unit.default_score).apply


CLASSIFY = Kind(
    name="classify",
    task="classify",
    summary="one score for each class",
    build=_build,
    recognise=_recognise,
    usual_decode=Decode(min_score=0.0, top_k=5),
    classes=lambda clues: _numbers_of(clues.outputs[0].shape) if len(clues.outputs) == 1 else 0,
    explain=_explain,
)
