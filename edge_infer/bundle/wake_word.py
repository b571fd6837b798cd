"""What lies beside a microWakeWord model: a JSON file of the same name, in ESPHome's format."""

import json
from dataclasses import dataclass

from edge_infer.bundle.model_file import ModelFile
from edge_infer.errors import ModelError

MAX_BYTES = 65536


@dataclass(frozen=True)
class WakeWord:
    """What the file says.

    Attributes:
        word: what is listened for
        cutoff: the least mean score that counts
        mean_of: results that the mean is taken of
    """

    word: str
    cutoff: float
    mean_of: int


def read_wake_word(model: ModelFile) -> WakeWord | None:
    """What the file beside the model says; None where there is none, or another one.

    Raises:
        ModelError: it is such a file, and says what cannot be.
    """
    path = model.path.with_suffix(".json")
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    # Source: ESPHome, micro_wake_word: model manifest of version 2
    micro = said.get("micro") if isinstance(said, dict) and said.get("type") == "micro" else None
    if not isinstance(micro, dict):
        return None
    try:
        found = WakeWord(str(said["wake_word"]), float(micro["probability_cutoff"]), int(micro["sliding_window_size"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: wake_word, probability_cutoff or sliding_window_size is missing or wrong ({error!r})"
        ) from error
    if not 0.0 <= found.cutoff <= 1.0 or not 1 <= found.mean_of <= 1000:
        raise ModelError(
            f"{path}: probability_cutoff {found.cutoff} or sliding_window_size {found.mean_of} is impossible"
        )
    return found
