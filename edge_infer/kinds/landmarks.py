"""MediaPipe's landmark models: a body, a hand, a face."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode import landmarks
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.landmarks_names import HAND_21
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec


def _recognise(clues: Clues) -> str | None:
    found = landmarks.find_outputs(clues.outputs)
    if found is None:
        return None
    flags = sum(landmarks.length(spec) == 1 for spec in clues.outputs)
    # 63 numbers and one could be anything; a hand model says left or right as well
    hand = landmarks.length(clues.outputs[found.points]) == 3 * len(HAND_21)
    return "the lengths of its outputs" if flags > hand else None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    return landmarks.LandmarksDecoder(specs, **recipe.given("min_score"))


LANDMARKS = Kind(
    name="landmarks",
    task="pose",
    summary="33 points of a body, 21 of a hand or 468 of a face, MediaPipe's landmark models",
    build=_build,
    recognise=_recognise,
    # Source: MediaPipe's graphs: aspect kept, 0..1; the threshold of the pose flag.
    usual_prepare=Prepare(resize="letterbox", pad=0, mean=(0.0,), std=(255.0,)),
    usual_decode=Decode(min_score=0.5),
)
