"""Models of sound of which the file says little: YAMNet from TensorFlow Hub, microWakeWord."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sounds import wake_word_model
from tflite_writer import RESHAPE, Graph, Op, Tensor, model_bytes

from edge_infer.errors import ModelError
from edge_infer.loading import load
from edge_infer.types import Frame, Span

SCORES = np.zeros((1, 521), np.float32)
SCORES[0, [7, 300]] = 0.9, 0.4


def hub_yamnet(path: Path, shape: tuple[int, ...], signature: tuple[int, ...] = (), frames: int = 1) -> Path:
    """As TensorFlow Hub has it: no metadata, scores, embeddings and spectrogram."""
    answers = {
        "StatefulPartitionedCall:0": np.repeat(SCORES, frames, axis=0),
        "StatefulPartitionedCall:1": np.ones((frames, 1024), np.float32),
        "StatefulPartitionedCall:2": np.ones((96 * frames, 64), np.float32),
    }
    tensors = [Tensor("waveform", shape, signature=signature)]
    ops = []
    for name, value in answers.items():
        tensors += [
            Tensor(f"{name}_given", value.shape, data=value),
            Tensor(f"{name}_shape", (2,), "int32", value.shape),
            Tensor(name, value.shape),
        ]
        ops.append(Op(RESHAPE, [f"{name}_given", f"{name}_shape"], [name]))
    path.write_bytes(model_bytes(Graph(tensors, ["waveform"], list(answers), ops)))
    return path


def window(samples: int) -> Frame:
    return Frame("mic", 0, np.zeros((samples, 1), np.float32), 0.0, 0, span=Span(0, samples, 16000.0, ("mono",)))


@pytest.mark.parametrize(("shape", "signature"), [((15600,), ()), ((1,), (-1,)), ((1,), ()), ((1, 1), (1, -1))])
def test_yamnet_without_metadata_needs_nothing_but_labels(
    tmp_path: Path, shape: tuple[int, ...], signature: tuple[int, ...]
) -> None:
    with load(hub_yamnet(tmp_path / "y.tflite", shape, signature), top_k=2) as model:
        assert model.wanted is not None
        assert (model.wanted.samples, model.wanted.rate_hz, model.wanted.sound) == (15600, 16000.0, True)
        result = model.predict(window(15600))
    assert [(c.class_id, c.score) for c in result] == [(7, pytest.approx(0.9)), (300, pytest.approx(0.4))]


def test_the_scores_of_several_frames_are_averaged(tmp_path: Path) -> None:
    path = hub_yamnet(tmp_path / "y.tflite", (1,), (-1,), frames=3)
    with load(path, window=31200, top_k=1, labels=[f"sound {i}" for i in range(521)]) as model:
        (best,) = model.predict(window(31200))
    assert (best.label, best.score) == ("sound 7", pytest.approx(0.9))


def test_sound_of_any_length_is_asked_for(tmp_path: Path) -> None:
    tensors = [Tensor("sound", (1,)), Tensor("shape", (2,), "int32", (1, 1)), Tensor("out", (1, 1))]
    graph = Graph(tensors, ["sound"], ["out"], [Op(RESHAPE, ["sound", "shape"], ["out"])])
    (tmp_path / "m.tflite").write_bytes(model_bytes(graph))
    with pytest.raises(ModelError, match=r"takes any number of samples: say how many, prepare: \{window: N\}"):
        load(tmp_path / "m.tflite", kind="tensors", input="audio")


@pytest.fixture
def wake_word(tmp_path: Path) -> Path:
    pytest.importorskip("pymicro_features")
    return Path(shutil.copy(wake_word_model("alexa"), tmp_path / "alexa.tflite"))


def beside(model: Path, **said: Any) -> None:
    micro = {"probability_cutoff": 0.5, "sliding_window_size": 7} | said.pop("micro", {})
    model.with_suffix(".json").write_text(json.dumps({"type": "micro", "wake_word": "Computer", "micro": micro} | said))


def test_the_file_beside_a_wake_word_model_says_word_cutoff_and_mean(wake_word: Path) -> None:
    beside(wake_word)
    with load(wake_word) as model:
        recipe = model.recipe
        assert (recipe.kind, recipe.labels) == ("wake-word", ("Computer",))
        assert (recipe.decode.min_score, recipe.decode.mean_of) == (0.5, 7)
        assert model.wanted is not None
        assert (model.wanted.samples, model.wanted.hop, model.wanted.rate_hz) == (480, 480, 16000.0)
    with load(wake_word, min_score=0.7) as model:
        assert (model.recipe.decode.min_score, model.recipe.decode.mean_of) == (0.7, 7)


@pytest.mark.parametrize("content", ["", "[]", '{"type": "other"}', "{" * 100_000])
def test_another_file_beside_it_does_not_matter(wake_word: Path, content: str) -> None:
    wake_word.with_suffix(".json").write_text(content)
    with load(wake_word) as model:
        assert (model.recipe.kind, model.recipe.labels) == ("wake-word", ())


@pytest.mark.parametrize(
    "said",
    [
        {"micro": {"probability_cutoff": "much"}},
        {"micro": {"probability_cutoff": 1.5}},
        {"micro": {"sliding_window_size": 0}},
        {"micro": {"sliding_window_size": None}},
    ],
)
def test_a_file_beside_it_that_says_what_cannot_be_is_refused(wake_word: Path, said: dict[str, Any]) -> None:
    beside(wake_word, **said)
    with pytest.raises(ModelError, match=r"alexa\.json: "):
        load(wake_word)
