"""BlazeFace."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode import blazeface
from edge_infer.decode.decoder import Decoder
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec


def _recognise(clues: Clues) -> str | None:
    return "the shapes of its outputs" if blazeface.find_outputs(clues.outputs) else None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    shape = recipe.clues.model.inputs[0].shape
    return blazeface.BlazeFaceDecoder(
        specs,
        (shape[2], shape[1]),
        recipe.labels,
        suppression="plain" if recipe.decode.nms == "plain" else "weighted",
        classes=recipe.filter(),
        **recipe.given("min_score", "max_results", "iou"),
    )


BLAZEFACE = Kind(
    name="blazeface",
    task="detect",
    summary="faces with six keypoints, MediaPipe's BlazeFace",
    build=_build,
    recognise=_recognise,
    # Source: MediaPipe's face_detection graphs: kept aspect, black border, -1..1, weighted suppression at 0.3.
    usual_prepare=Prepare(resize="letterbox", pad=0, mean=(127.5,), std=(127.5,)),
    usual_decode=Decode(min_score=0.5, iou=0.3, nms="weighted"),
    usual_labels=("face",),
)
