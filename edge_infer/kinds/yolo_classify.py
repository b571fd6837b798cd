"""What Ultralytics exports for classification."""

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.kinds.classify import CLASSIFY
from edge_infer.kinds.kind import Clues, Kind

# Source: torchvision's ImageNet statistics, of 0..255 pixels; YOLOv5's classify/predict.py uses them.
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def _one_row(clues: Clues) -> bool:
    labels = clues.export.labels if clues.export else ()
    return len(clues.outputs) == 1 and clues.outputs[0].shape == (1, len(labels))


def _recognise(clues: Clues) -> str | None:
    known = clues.export is not None and clues.export.task == "classify"
    return "the metadata of Ultralytics' exporter" if known else None


def _recognise_v5(clues: Clues) -> str | None:
    known = clues.export is not None and not clues.export.task and _one_row(clues)
    return "the metadata of YOLOv5's exporter, and a number for each class" if known else None


# Source: Ultralytics' classify_transforms: the middle of the picture, 0..1.
YOLO_CLASSIFY = Kind(
    name="yolo-classify",
    task="classify",
    summary="one score for each class, Ultralytics' YOLOv8 and later",
    build=CLASSIFY.build,
    recognise=_recognise,
    usual_prepare=Prepare(resize="crop", mean=(0.0,), std=(255.0,)),
    usual_decode=Decode(min_score=0.0, top_k=5),
    explain=CLASSIFY.explain,
)
YOLOV5_CLASSIFY = Kind(
    name="yolov5-classify",
    task="classify",
    summary="one number for each class, YOLOv5",
    build=CLASSIFY.build,
    recognise=_recognise_v5,
    usual_prepare=Prepare(resize="crop", mean=IMAGENET_MEAN, std=IMAGENET_STD),
    usual_decode=Decode(min_score=0.0, top_k=5),
    explain=CLASSIFY.explain,
)
