"""SSD detectors without the post-processing op: raw boxes and scores for each anchor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_infer.bundle.labels import is_background
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.mediapipe import detector_decoding
from edge_infer.decode.anchors import pyramid_anchors, ssd_anchors
from edge_infer.decode.classify import Activation
from edge_infer.decode.decoder import Decoder, check_labels
from edge_infer.decode.ssd_raw import BoxCoder, Level, RawSsdDecoder
from edge_infer.errors import ModelError
from edge_infer.kinds.activation import activation_of, tensor_metadata
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.prepare.image import image_layout
from edge_infer.types import Array, Size, TensorSpec

GENERATORS = {"six feature maps": ssd_anchors, "a feature pyramid": pyramid_anchors}


@dataclass(frozen=True)
class Layout:
    """Which output holds what, and the anchors with what tells them; `activation`: as the file says, else None."""

    boxes: int
    scores: int
    anchors: Array
    why: str
    coder: BoxCoder
    background: bool  # the exporter's first column is that of the background
    activation: Activation | None = None


def _find(clues: Clues) -> Layout | None:
    """What the outputs are, where their number of anchors is one of a known detector, or written down."""
    size = input_size(clues)
    counts = [_anchors_of(spec.shape) for spec in clues.outputs]
    if size is None or len(counts) != 2 or not counts[0] or counts[0] != counts[1]:
        return None
    boxes = next((place for place, spec in enumerate(clues.outputs) if spec.shape[-1] == 4), None)
    if boxes is None:
        return None
    said = tensor_metadata(clues, 0)
    if clues.outputs[1].shape[-1] == 4 and said and "score" in said.name.lower():
        boxes = 1
    decoding = detector_decoding(clues.metadata)
    if decoding is not None and len(decoding.anchors) == counts[0]:
        coder = BoxCoder(decoding.scales, decoding.exponential)
        activation: Activation = "sigmoid" if decoding.sigmoid else "none"
        return Layout(boxes, 1 - boxes, decoding.anchors, "the detector's metadata", coder, False, activation)
    for name, generate in GENERATORS.items():
        anchors = generate(size)
        if len(anchors) == counts[0]:
            why = f"{len(anchors)} boxes are those of {name} at {size[0]}x{size[1]}"
            return Layout(boxes, 1 - boxes, anchors, why, BoxCoder(), True)
    return None


def _recognise(clues: Clues) -> str | None:
    layout = _find(clues)
    return layout.why if layout else None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    layout = _find(recipe.clues)
    if layout is None:
        listed = ", ".join(str(list(spec.shape)) for spec in recipe.clues.outputs)
        raise ModelError(
            f"the outputs of {recipe.clues.model.path} have shapes {listed}; a raw SSD has boxes [1, n, 4] and scores "
            "[1, n, classes], with n as for 300x300: 1917, or 320x320: 2034 or 12804: export it with the "
            "post-processing op"
        )
    count = specs[layout.scores].shape[-1]
    return RawSsdDecoder(
        specs,
        [Level(layout.boxes, layout.scores, layout.anchors)],
        columns_of(recipe.labels, count, background=layout.background, where=str(recipe.clues.model.path)),
        recipe.labels,
        coder=layout.coder,
        activation=_activation(recipe, layout)[0],
        classes=recipe.filter(),
        **recipe.given("min_score", "max_results", "iou", "agnostic"),
    )


def columns_of(labels: Sequence[str], count: int, *, background: bool, where: str) -> list[int]:
    """The class id of each of the columns of the scores, -1 for that of the background.

    With a label for each column they are its numbers. Without, class 0 is the first behind the background, as the
    post-processing op has it.

    Raises:
        ModelError: the labels fit neither.
    """
    if len(labels) >= count and (not background or is_background(labels[0])):
        return [-1 if i == 0 and is_background(labels[0]) else i for i in range(count)]
    check_labels(labels, count - background, where)
    return list(range(-background, count - background))


def _activation(recipe: Recipe, layout: Layout) -> tuple[Activation, str]:
    if recipe.decode.activation is not None:
        return recipe.decode.activation, recipe.found.get("activation", "you")
    if layout.activation is not None:
        return layout.activation, layout.why
    return activation_of(recipe.clues, layout.scores, one_for_all=False)


def _explain(recipe: Recipe) -> Mapping[str, tuple[str, str]]:
    layout = _find(recipe.clues)
    if layout is None:
        return {}
    return {
        "order": ("boxes, scores" if layout.boxes == 0 else "scores, boxes", "the shapes"),
        "anchors": (str(len(layout.anchors)), layout.why),
        "activation": _activation(recipe, layout),
    }


def input_size(clues: Clues) -> Size | None:
    """(width, height) of the picture that the model takes."""
    for spec in clues.model.inputs:
        try:
            return image_layout(spec)[0]
        except ModelError:
            continue
    return None


def _anchors_of(shape: Shape) -> int:
    """n of [1, n, k] or [1, n, 1, k], 0 for other shapes."""
    if len(shape) == 4 and shape[2] == 1:
        shape = (shape[0], shape[1], shape[3])
    return shape[1] if len(shape) == 3 and shape[0] == 1 and shape[2] > 1 else 0


SSD_RAW = Kind(
    name="ssd-raw",
    task="detect",
    summary="raw boxes and scores for each anchor: SSDs without the post-processing op",
    build=_build,
    recognise=_recognise,
    # Source: pipeline.config of the TensorFlow Object Detection API's SSDs: -1..1, batch_non_max_suppression at 0.6.
    usual_prepare=Prepare(mean=(127.5,), std=(127.5,)),
    usual_decode=Decode(min_score=0.5, iou=0.6, max_results=100),
    label_output=1,
    explain=_explain,
)
