"""SSD detectors that end in the post-processing op."""

import logging
from collections.abc import Mapping, Sequence

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.metadata import BoxContent
from edge_infer.bundle.model_file import SSD_OPERATOR
from edge_infer.decode import ssd
from edge_infer.decode.decoder import Decoder, check_labels
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

log = logging.getLogger(__name__)


def _recognise(clues: Clues) -> str | None:
    if SSD_OPERATOR in clues.model.operators:
        return f"the op {SSD_OPERATOR}"
    shapes = [spec.shape for spec in clues.outputs]
    if not ssd.is_post_processed(shapes):
        return None
    try:
        return f"boxes, classes, scores and count in the order of {_order(clues, shapes)[1]}"
    except ModelError:
        return None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    model, metadata = recipe.clues.model, recipe.clues.metadata
    outputs = metadata.outputs if metadata else ()
    check_labels(recipe.labels, model.detection_classes, str(model.path))
    order, why = _order(recipe.clues, shapes)
    if why.endswith(ssd.CONTRADICTED):
        log.warning("the outputs of %s are ordered by %s", model.path, why)
    content = outputs[order.boxes].content if order.boxes < len(outputs) else None
    return ssd.SsdDecoder(
        specs,
        order,
        recipe.labels,
        layout=_layout(content) if isinstance(content, BoxContent) else None,
        classes=recipe.filter(),
        **recipe.given("min_score", "max_results"),
    )


def _order(clues: Clues, shapes: Sequence[Shape]) -> tuple[ssd.OutputOrder, str]:
    names = [tensor.name for tensor in clues.metadata.outputs] if clues.metadata else []
    signature = next(iter(clues.model.signatures.values()), None)
    return ssd.find_order(names, signature.outputs if signature else None, shapes, str(clues.model.path))


def _explain(recipe: Recipe) -> Mapping[str, tuple[str, str]]:
    order, why = _order(recipe.clues, [spec.shape for spec in recipe.clues.outputs])
    places = {"boxes": order.boxes, "classes": order.classes, "scores": order.scores, "count": order.count}
    return {"order": (", ".join(sorted(places, key=places.__getitem__)), why)}


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


SSD = Kind(
    name="ssd",
    task="detect",
    summary="boxes, classes, scores, count: detectors that end in TFLite_Detection_PostProcess",
    build=_build,
    recognise=_recognise,
    # Source: export_tflite_ssd_graph.py of the TensorFlow Object Detection API: float MobileNets take -1..1.
    usual_prepare=Prepare(mean=(127.5,), std=(127.5,)),
    usual_decode=Decode(min_score=0.5),
    label_output=1,
    classes=lambda clues: clues.model.detection_classes,
    explain=_explain,
)
