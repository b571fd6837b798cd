"""What Ultralytics exports for semantic segmentation."""

from dataclasses import replace

from edge_infer.bundle.manifest import Decode
from edge_infer.kinds.kind import Clues
from edge_infer.kinds.segment import SEGMENT
from edge_infer.kinds.yolo import PREPARE


def _recognise(clues: Clues) -> str | None:
    if clues.export is None or clues.export.task != "semantic" or len(clues.outputs) != 1:
        return None
    told = SEGMENT.classes(clues) in (0, len(clues.export.labels))  # 0: one number for each pixel
    return "the metadata of Ultralytics' exporter" if told else None


# Source: Ultralytics' semantic/predict.py: of one class a pixel is part where its logit is above 0.
YOLO_SEMANTIC = replace(
    SEGMENT,
    name="yolo-semantic",
    summary="the class of each pixel, Ultralytics' YOLO26",
    recognise=_recognise,
    usual_prepare=PREPARE,
    usual_decode=Decode(min_score=0.5, activation="sigmoid"),
)
