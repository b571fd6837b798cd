"""PoseNet, with and without Coral's decoding op."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode import posenet
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.heatmap import is_probability
from edge_infer.decode.posenet_fields import EDGES, POINTS, Heads
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

OPERATOR = "PosenetDecoderOp"  # Source: kPosenetDecoderOp of libcoral's posenet_decoder_op.h

# Source: tfjs-models/posenet: aspect kept, black border, -1..1 (MobileNet).
PREPARE = Prepare(resize="letterbox", pad=0, mean=(127.5,), std=(127.5,))


def find_heads(specs: Sequence[TensorSpec]) -> Heads | None:
    """Which output is which, by its channels; None where these are not PoseNet's.

    Displacements are one output of 64 channels, or two of 32: the forward ones have "fwd" in their name, or come first.
    """
    grids = [spec.shape[1:3] if len(spec.shape) == 4 and spec.shape[0] == 1 else () for spec in specs]
    if not specs or not grids[0] or len(set(grids)) != 1:
        return None

    def having(channels: int) -> list[int]:
        return [place for place, spec in enumerate(specs) if spec.shape[3] == channels]

    heat, offset, both = having(POINTS), having(2 * POINTS), having(4 * len(EDGES))
    single = having(2 * len(EDGES))
    if len(heat) != 1 or len(offset) != 1 or len(both) > 1 or len(single) not in (0, 2) or (both and single):
        return None
    if both:
        return Heads(heat[0], offset[0], both[0], both[0])
    if not single:
        return Heads(heat[0], offset[0])
    backward = next((place for place in single if "bwd" in specs[place].name.lower()), single[1])
    return Heads(heat[0], offset[0], single[0] + single[1] - backward, backward)


def _recognise(clues: Clues) -> str | None:
    return "the channels of its outputs" if find_heads(clues.outputs) else None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    heads = find_heads(specs)
    if heads is None:
        raise ModelError(
            f"PoseNet has outputs [1, h, w, {POINTS}] and [1, h, w, {2 * POINTS}], and displacements "
            f"[1, h, w, {4 * len(EDGES)}] or two of half that; this model has other ones"
        )
    operators = recipe.clues.model.output_operators
    logits = not is_probability(specs[heads.heat], operators[heads.heat] if heads.heat < len(operators) else "")
    if heads.forward is None:
        return posenet.PoseNetSingleDecoder(specs, heads, logits=logits, **recipe.given("min_score"))
    return posenet.PoseNetDecoder(
        specs, heads, recipe.labels, logits=logits, **recipe.given("min_score", "max_results")
    )


def _recognise_op(clues: Clues) -> str | None:
    return f"the op {OPERATOR}" if OPERATOR in clues.model.operators else None


def _build_op(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    most = shapes[0][1] if len(shapes) >= 4 and len(shapes[0]) == 4 else 0
    if [tuple(shape) for shape in shapes[:3]] != [(1, most, POINTS, 2), (1, most, POINTS), (1, most)]:
        raise ModelError(
            f"{OPERATOR} gives points, their scores, scores of persons and a count; {recipe.clues.model.path} gives "
            f"outputs of the shapes {', '.join(str(list(shape)) for shape in shapes)}"
        )
    return posenet.PoseNetOpDecoder(recipe.labels, **recipe.given("min_score", "max_results"))


POSENET = Kind(
    name="posenet",
    task="pose",
    summary="17 points of each person from heat maps, offsets and displacements, PoseNet",
    build=_build,
    recognise=_recognise,
    usual_prepare=PREPARE,
    usual_decode=Decode(min_score=0.15),  # Source: minPoseConfidence of tfjs-models/posenet's demo
    usual_labels=("person",),
)
POSENET_OP = Kind(
    name="posenet-op",
    task="pose",
    summary="17 points of each person, PoseNet that ends in Coral's PosenetDecoderOp",
    build=_build_op,
    recognise=_recognise_op,
    # Source: libcoral's posenet_test.cc stretches; the op has its own threshold.
    usual_prepare=Prepare(mean=(127.5,), std=(127.5,)),
    usual_decode=Decode(min_score=0.0),
    usual_labels=("person",),
)
