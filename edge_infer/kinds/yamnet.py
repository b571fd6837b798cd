"""YAMNet as TensorFlow Hub has it: scores, embeddings and spectrogram, without metadata."""

from collections.abc import Sequence
from dataclasses import replace

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode.classify import ClassifyDecoder
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.frame_scores import FrameScoresDecoder
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

# Source: tensorflow/models, research/audioset/yamnet: params.py: 521 classes, 16 kHz, patches of 0.96 s in frames of
# 25 ms; its layer before the last has 1024 numbers, its spectrogram 64 bands
CLASSES, EMBEDDING, BANDS = 521, 1024, 64
SAMPLES = 15600


def _recognise(clues: Clues) -> str | None:
    if len(clues.model.inputs) != 1 or len(clues.model.inputs[0].shape) > 2 or len(clues.outputs) != 3:
        return None
    if sorted(spec.shape[-1] if spec.shape else 0 for spec in clues.outputs) != [BANDS, CLASSES, EMBEDDING]:
        return None
    return f"outputs of {CLASSES} scores, {EMBEDDING} numbers and {BANDS} bands"


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    place = next((i for i, shape in enumerate(shapes) if shape and shape[-1] == CLASSES), None)
    if place is None:
        raise ModelError(f"YAMNet has an output of {CLASSES} scores; this model has other ones")
    spec = replace(specs[place], shape=(1, CLASSES))
    decode = ClassifyDecoder(
        spec, recipe.labels, classes=recipe.filter(), **recipe.given("top_k", "min_score", "activation")
    )
    return FrameScoresDecoder(place, spec, decode)


YAMNET = Kind(
    name="yamnet",
    task="classify",
    summary="521 scores of sounds beside embeddings and a spectrogram, YAMNet from TensorFlow Hub",
    build=_build,
    recognise=_recognise,
    usual_prepare=Prepare(input="audio", rate_hz=16000.0, window=SAMPLES),
    usual_decode=Decode(min_score=0.0, top_k=5),
    classes=lambda _clues: CLASSES,
)
