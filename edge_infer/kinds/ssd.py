"""SSD detectors that end in the post-processing op."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode
from edge_infer.bundle.metadata import BoxContent
from edge_infer.bundle.model_file import SSD_OPERATOR
from edge_infer.decode import ssd
from edge_infer.decode.decoder import Decoder, check_labels
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec


def _recognise(clues: Clues) -> str | None:
    return f"the op {SSD_OPERATOR}" if SSD_OPERATOR in clues.model.operators else None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    model, metadata = recipe.clues.model, recipe.clues.metadata
    outputs = metadata.outputs if metadata else ()
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
        classes=recipe.filter(),
        **recipe.given("min_score", "max_results"),
    )


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
    usual_decode=Decode(min_score=0.5),
    label_output=1,
)
