"""MoveNet, for one person and for several."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode import movenet
from edge_infer.decode.decoder import Decoder
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

SINGLE = (1, 1, movenet.POINTS, 3)

# Source: MoveNet's model cards: RGB in 0..255 as it is, whatever the type of the input; tf.image.resize_with_pad.
PREPARE = Prepare(resize="letterbox", pad=0, mean=(0.0,), std=(1.0,))


def _is_multi(specs: Sequence[TensorSpec]) -> bool:
    return len(specs) == 1 and len(specs[0].shape) == 3 and specs[0].shape[2] == movenet.PERSON


def _recognise_single(clues: Clues) -> str | None:
    return "the shape of its output" if [spec.shape for spec in clues.outputs] == [SINGLE] else None


def _recognise_multi(clues: Clues) -> str | None:
    # 6 persons at most: YOLO's rows have other lengths or come by the hundred
    return "the shape of its output" if _is_multi(clues.outputs) and clues.outputs[0].shape[:2] == (1, 6) else None


def _build_single(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    if [tuple(shape) for shape in shapes] != [SINGLE]:
        raise ModelError(f"MoveNet for one person has one output {list(SINGLE)}; this model has other ones")
    return movenet.MoveNetDecoder(specs[0], **recipe.given("min_score"))


def _build_multi(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][2] != movenet.PERSON:
        raise ModelError(f"MoveNet for several persons has one output [1, n, {movenet.PERSON}]; this model has others")
    return movenet.MoveNetMultiDecoder(specs[0], recipe.labels, **recipe.given("min_score", "max_results"))


MOVENET = Kind(
    name="movenet",
    task="pose",
    summary="17 points of one person, MoveNet SinglePose",
    build=_build_single,
    recognise=_recognise_single,
    usual_prepare=PREPARE,
    usual_decode=Decode(min_score=0.0),
)
MOVENET_MULTI = Kind(
    name="movenet-multi",
    task="pose",
    summary="17 points of each of up to six persons, MoveNet MultiPose",
    build=_build_multi,
    recognise=_recognise_multi,
    # Source: the model card: sides are multiples of 32, the longer one 256; tfjs-models for the score.
    usual_prepare=Prepare(resize="letterbox", pad=0, mean=(0.0,), std=(1.0,), size=(256, 256)),
    usual_decode=Decode(min_score=0.25),
    usual_labels=("person",),
)
