"""The decoder that a recipe asks for."""

from collections.abc import Callable, Sequence
from typing import Any

from edge_infer.bundle.calibration import parse_calibration
from edge_infer.bundle.metadata import BoxContent, Metadata
from edge_infer.bundle.model_file import ModelFile
from edge_infer.decode import blazeface, ssd
from edge_infer.decode.classify import Calibrate, ClassifyDecoder
from edge_infer.decode.decoder import ClassFilter, Decoder, check_labels
from edge_infer.decode.tensors import TensorsDecoder
from edge_infer.recipe import Recipe
from edge_infer.types import TensorSpec


def make_decoder(recipe: Recipe, model: ModelFile, specs: Sequence[TensorSpec], shapes: Sequence[ssd.Shape]) -> Decoder:
    """The decoder for outputs `specs` whose arrays have `shapes` (a model may decide them at run time).

    Raises:
        ModelError: the outputs are not what this kind of decoder needs, or the labels do not fit.
    """
    builders: dict[str, Callable[[Recipe, ModelFile, Sequence[TensorSpec], Sequence[ssd.Shape]], Decoder]] = {
        "classify": _classify,
        "ssd": _ssd,
        "blazeface": _blazeface,
        "tensors": lambda _recipe, _model, specs, _shapes: TensorsDecoder(specs),
    }
    return builders[recipe.kind](recipe, model, specs, shapes)


def _classify(recipe: Recipe, model: ModelFile, specs: Sequence[TensorSpec], shapes: Sequence[ssd.Shape]) -> Decoder:
    return ClassifyDecoder(
        specs[0],
        recipe.labels,
        classes=_filter(recipe),
        calibrate=_calibration(recipe.metadata, model),
        **_given(recipe, "top_k", "min_score"),
    )


def _ssd(recipe: Recipe, model: ModelFile, specs: Sequence[TensorSpec], shapes: Sequence[ssd.Shape]) -> Decoder:
    outputs = recipe.metadata.outputs if recipe.metadata else ()
    signature = next(iter(model.signatures.values()), None)
    check_labels(recipe.labels, model.detection_classes, str(model.path))
    order, _ = ssd.find_order(
        [t.name for t in outputs], signature.outputs if signature else None, shapes, str(model.path)
    )
    content = outputs[order.boxes].content if order.boxes < len(outputs) else None
    return ssd.SsdDecoder(
        specs,
        order,
        recipe.labels,
        layout=_layout(content) if isinstance(content, BoxContent) else None,
        classes=_filter(recipe),
        **_given(recipe, "min_score", "max_results"),
    )


def _blazeface(recipe: Recipe, model: ModelFile, specs: Sequence[TensorSpec], shapes: Sequence[ssd.Shape]) -> Decoder:
    shape = model.inputs[0].shape
    return blazeface.BlazeFaceDecoder(
        specs,
        (shape[2], shape[1]),
        recipe.labels,
        suppression=recipe.decode.nms or "weighted",
        classes=_filter(recipe),
        **_given(recipe, "min_score", "max_results", "iou"),
    )


def _given(recipe: Recipe, *names: str) -> dict[str, Any]:
    """What the recipe says of these; for the rest the decoder has its own defaults."""
    said = {name: getattr(recipe.decode, name) for name in names}
    return {name: value for name, value in said.items() if value is not None}


def _filter(recipe: Recipe) -> ClassFilter | None:
    decode = recipe.decode
    if not decode.allow and not decode.deny:
        return None
    return ClassFilter(recipe.labels, decode.allow or (), decode.deny or ())


def _layout(content: BoxContent) -> ssd.BoxLayout:
    kinds = {"BOUNDARIES": "boundaries", "UPPER_LEFT": "upper_left", "CENTER": "center"}
    index = content.index if len(content.index) == 4 else (0, 1, 2, 3)
    if content.type not in kinds:
        return ssd.BoxLayout()
    return ssd.BoxLayout(
        index=(index[0], index[1], index[2], index[3]),
        kind=kinds[content.type],  # type: ignore[arg-type]  # one of the three literals
        ratio=content.coordinates == "RATIO",
    )


def _calibration(metadata: Metadata | None, model: ModelFile) -> Calibrate | None:
    output = metadata.outputs[0] if metadata and metadata.outputs else None
    if output is None or output.score_calibration is None:
        return None
    name = next((file.name for file in output.files if file.type == "TENSOR_AXIS_SCORE_CALIBRATION"), None)
    if name is None or name not in model.files:
        return None
    text = model.files[name].decode("utf-8", "replace")
    unit = output.score_calibration
    return parse_calibration(text, unit.transform, unit.default_score).apply
