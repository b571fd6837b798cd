"""What Ultralytics exports for semantic segmentation."""

from dataclasses import replace

from edge_infer.bundle.manifest import Decode
from edge_infer.kinds.kind import Clues
from edge_infer.kinds.segment import SEGMENT
from edge_infer.kinds.yolo import PREPARE


def _recognise(clues: Clues) -> str | None:
    known = clues.export is not None and clues.export.task == "semantic"
    return "the metadata of Ultralytics' exporter" if known else None


# Source: Ultralytics' semantic/predict.py: of one class a pixel is part where its logit is above 0.
YOLO_SEMANTIC = replace(
    SEGMENT,
    name="yolo-semantic",
    summary="the class of each pixel, Ultralytics' YOLO26",
    recognise=_recognise,
    usual_prepare=PREPARE,
    usual_decode=Decode(min_score=0.5, activation="sigmoid"),
)
