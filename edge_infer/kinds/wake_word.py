"""Models that listen for one word and remember what they heard: microWakeWord."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.wake_word import WakeWordDecoder
from edge_infer.errors import ModelError
from edge_infer.features import Micro
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

BANDS = 40  # Source: microWakeWord, features of TFLite Micro's front end


def _recognise(clues: Clues) -> str | None:
    if len(clues.model.inputs) != 1 or len(clues.outputs) != 1 or "VAR_HANDLE" not in clues.model.operators:
        return None
    shape = clues.model.inputs[0].shape
    if len(shape) != 3 or shape[0] != 1 or shape[2] != BANDS or clues.outputs[0].shape != (1, 1):
        return None
    return f"an input of {BANDS} bands, one score, and variables that the model keeps"


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    if len(specs) != 1 or specs[0].shape != (1, 1):
        raise ModelError("a wake-word model has one output of one score [1, 1]; this model has other ones")
    word = recipe.clues.wake_word
    label = recipe.labels[0] if recipe.labels else word.word if word else recipe.clues.model.path.stem
    return WakeWordDecoder(specs[0], label, **recipe.given("min_score", "mean_of"))


WAKE_WORD = Kind(
    name="wake-word",
    task="classify",
    summary="one score of a word that is listened for, microWakeWord",
    build=_build,
    recognise=_recognise,
    usual_prepare=Prepare(input="audio", features=Micro()),
    # Source: microWakeWord's own models: sliding_window_size 5, probability_cutoff .85 to .97
    usual_decode=Decode(min_score=0.97, mean_of=5),
    classes=lambda _clues: 1,
)
