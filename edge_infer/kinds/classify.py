"""One score for each class."""

from collections.abc import Sequence

from edge_infer.bundle.calibration import parse_calibration
from edge_infer.bundle.labels import labels_from
from edge_infer.bundle.manifest import Decode
from edge_infer.decode.classify import Calibrate, ClassifyDecoder
from edge_infer.decode.decoder import Decoder
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

# A quantised softmax or logistic output always has this scale. Source: TFLite quantization specification.
PROBABILITY_SCALE = 1 / 256


def _recognise(clues: Clues) -> str | None:
    if len(clues.outputs) != 1 or len(clues.model.inputs) != 1:
        return None
    spec = clues.outputs[0]
    if len(spec.shape) < 2 or any(side != 1 for side in spec.shape[:-1]) or spec.shape[-1] < 2:
        return None
    if (
        clues.model.output_operators[0] in ("SOFTMAX", "LOGISTIC")
        or spec.scale == (PROBABILITY_SCALE,)
        or len(labels_from(clues.model, clues.metadata, 0)) == spec.shape[-1]
    ):
        return "an output of one probability for each class"
    return None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    return ClassifyDecoder(
        specs[0],
        recipe.labels,
        classes=recipe.filter(),
        calibrate=_calibration(recipe.clues),
        **recipe.given("top_k", "min_score"),
    )


def _calibration(clues: Clues) -> Calibrate | None:
    output = clues.metadata.outputs[0] if clues.metadata and clues.metadata.outputs else None
    if output is None or output.score_calibration is None:
        return None
    name = next((file.name for file in output.files if file.type == "TENSOR_AXIS_SCORE_CALIBRATION"), None)
    if name is None or name not in clues.model.files:
        return None
    text = clues.model.files[name].decode("utf-8", "replace")
    unit = output.score_calibration
    return parse_calibration(text, unit.transform, unit.default_score).apply


CLASSIFY = Kind(
    name="classify",
    task="classify",
    summary="one score for each class",
    build=_build,
    recognise=_recognise,
    usual_decode=Decode(min_score=0.0, top_k=5),
)
