"""YOLO in all its versions: what Ultralytics exports, and what others make of that for accelerators."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from edge_infer.bundle.labels import labels_from
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.yolo import YoloDecoder
from edge_infer.decode.yolo_find import find_layout, possible_layouts
from edge_infer.decode.yolo_layout import Layout, Task, Wanted
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.prepare.image import image_layout
from edge_infer.types import TensorSpec

# Source: COCO's person keypoints, in the order of its annotations.
COCO_KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
COCO_POSE = (len(COCO_KEYPOINTS), 3)
COCO = 80  # classes
PERSON_AND_POINTS = 1 + COCO_POSE[0] * COCO_POSE[1]
LEAST_RESULTS = 20  # an output of less than so many rows of six numbers may be anything

# Source: Ultralytics' LetterBox, and pixels of 0..1.
PREPARE = Prepare(resize="letterbox", pad=114, mean=(0.0,), std=(255.0,))
# Source: Ultralytics' predict: conf, max_det. Its IoU hangs on the layout: the decoder has it.
DECODE = Decode(min_score=0.25, max_results=300)


def _recognise(task: Task, clues: Clues) -> str | None:
    if clues.export and clues.export.task:
        return "the metadata of Ultralytics' exporter" if clues.export.task == task else None
    try:
        wanted = _wanted(task, clues, _labels(clues))
    except ModelError:  # it takes no picture
        return None
    found = possible_layouts(clues.outputs, wanted)
    count = max((spec.shape[1] for spec in clues.outputs if len(spec.shape) == 3), default=0)
    if len(found) != 1 or len(clues.model.inputs) != 1 or not _certain(task, found[0], wanted, count):
        return None
    return f"the shapes of its outputs: {found[0].note}"


def _certain(task: Task, layout: Layout, wanted: Wanted, count: int) -> bool:
    """Whether the shapes leave nothing open: without labels, other numbers may be mistaken for classes."""
    if task == "obb":
        return False  # one class more would look the same
    if wanted.classes:
        return True
    if layout.suppressed:
        return count >= LEAST_RESULTS
    head = layout.heads[0]
    if layout.coding == "distances" and head.boxes.output == head.scores.output:
        return layout.classes == COCO  # or three anchors with their boxes, objectness and scores
    if task == "pose" or layout.coding != "center" or head.objectness:
        return task != "pose"
    # A row for each cell is what YOLOX and NanoDet have, too; 52 classes look like one with the keypoints of a body.
    return layout.classes == COCO if head.boxes.channels_last else layout.classes != PERSON_AND_POINTS


def _build(
    task: Task, recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape], *, offsets: bool = False
) -> Decoder:
    given = [replace(spec, shape=tuple(shape)) for spec, shape in zip(specs, shapes, strict=True)]
    layout = _layout(task, recipe, given, offsets)
    names: tuple[str, ...] = ()
    if task == "pose":
        names = _keypoint_names(recipe.clues, _wanted(task, recipe.clues, recipe.labels).extras)
    return YoloDecoder(
        specs,
        layout,
        recipe.labels,
        task=task,
        keypoint_names=names,
        classes=recipe.filter(),
        **recipe.given("min_score", "max_results", "iou", "agnostic"),
    )


def _layout(task: Task, recipe: Recipe, specs: Sequence[TensorSpec], offsets: bool) -> Layout:
    wanted = replace(_wanted(task, recipe.clues, recipe.labels), offsets=offsets)
    return find_layout(specs, wanted, str(recipe.clues.model.path))


def _explain(task: Task, recipe: Recipe, *, offsets: bool = False) -> Mapping[str, tuple[str, str]]:
    if any(spec.signature for spec in recipe.clues.model.inputs):
        return {}  # known when the model has run
    return {"layout": (_layout(task, recipe, recipe.clues.outputs, offsets).note, "the shapes of the outputs")}


def _wanted(task: Task, clues: Clues, labels: Sequence[str]) -> Wanted:
    spec = clues.model.inputs[0]
    size, _ = image_layout(spec)
    if spec.signature and clues.export and clues.export.size:
        size = clues.export.size
    extras = {"detect": 0, "segment": 0, "obb": 1, "pose": _keypoint_numbers(clues)}[task]
    return Wanted(task, size, len(labels), extras, channels_last=spec.shape[-1] in (1, 3))


def _labels(clues: Clues) -> tuple[str, ...]:
    return clues.export.labels if clues.export else labels_from(clues.model, clues.metadata, 0)


def _keypoint_numbers(clues: Clues) -> int:
    """How many numbers the keypoints of one object are."""
    count, each = (clues.export and clues.export.keypoints) or COCO_POSE
    return count * each


def _keypoint_names(clues: Clues, numbers: int) -> tuple[str, ...]:
    count = ((clues.export and clues.export.keypoints) or COCO_POSE)[0]
    said = clues.export.keypoint_names if clues.export else ()
    if len(said) == count:
        return said
    return COCO_KEYPOINTS if count == len(COCO_KEYPOINTS) else tuple(map(str, range(count)))


def _kind(task: Task, name: str, reports: str, summary: str) -> Kind:
    build: Callable[[Recipe, Sequence[TensorSpec], Sequence[Shape]], Decoder] = partial(_build, task)
    return Kind(
        name=name,
        task=reports,
        summary=summary,
        build=build,
        recognise=partial(_recognise, task),
        usual_prepare=PREPARE,
        usual_decode=DECODE,
        explain=partial(_explain, task),
    )


# Source: Megvii's YOLOX: demo/ONNXRuntime: pixels as they are, BGR, in the upper left corner.
YOLOX_PREPARE = Prepare(resize="letterbox-topleft", pad=114, color="bgr", mean=(0.0,), std=(1.0,))

YOLO = _kind("detect", "yolo", "detect", "boxes of YOLO (v5 to v12, 26; Ultralytics' and others' exports)")
YOLO_SEGMENT = _kind("segment", "yolo-segment", "segment", "YOLO with a mask for each object")
YOLO_POSE = _kind("pose", "yolo-pose", "pose", "YOLO with keypoints of each object")
YOLO_OBB = _kind("obb", "yolo-obb", "detect", "YOLO with turned boxes")
YOLOX = replace(
    _kind("detect", "yolox", "detect", "boxes of YOLOX, exported without decoding"),
    build=partial(_build, "detect", offsets=True),
    recognise=lambda _clues: None,  # YOLOv6 looks the same, and is prepared otherwise
    usual_prepare=YOLOX_PREPARE,
    explain=partial(_explain, "detect", offsets=True),
)
