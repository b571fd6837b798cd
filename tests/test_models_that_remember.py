"""A model that keeps what it heard begins anew where its windows do not follow one another."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from sounds import sine, spoken, wake_word_model, wav_bytes
from tflite_writer import ADD, RESHAPE, Graph, Op, Tensor, model_bytes

from edge_infer.errors import ModelError
from edge_infer.intake import Intake
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.registry import load_model, open_source
from edge_infer.sources.audio_settings import WavSettings
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.windows import Windows
from edge_infer.types import Frame, Span, Wanted


@pytest.fixture
def windows(tmp_path: Path) -> list[Frame]:
    """The word alexa, in windows of 30 ms."""
    pytest.importorskip("pymicro_features")
    silence = np.zeros((16000, 1), np.float32)
    (tmp_path / "x.wav").write_bytes(wav_bytes(np.concatenate([silence, spoken("alexa", tmp_path), silence])))
    with open_source(tmp_path / "x.wav") as source:
        return list(Windows(source, Wanted(480, 480, 16000.0, 1, sound=True)))


def scores(model: Model, windows: list[Frame]) -> list[float]:
    return [next((float(c.score) for c in model.predict(window)), 0.0) for window in windows]


def test_after_a_gap_nothing_is_left_of_what_was_heard(windows: list[Frame]) -> None:
    with load(wake_word_model("alexa"), min_score=0.0) as model:
        whole = scores(model, windows)
        half = int(np.argmax(whole))
        again = scores(model, windows)
        assert again == whole, "windows that count from 0 anew are another stream"
        scores(model, windows[:half])
        after_gap = scores(model, windows[half + 1 :])
        model.forget()
        alone = scores(model, windows[half + 1 :])
    assert max(whole) > 0.9
    assert after_gap == alone
    assert max(after_gap) < max(whole)


def test_the_first_answer_does_not_depend_on_how_the_model_was_warmed_up(windows: list[Frame]) -> None:
    with load(wake_word_model("alexa"), min_score=0.0) as model:
        fresh = scores(model, windows[:20])
        model.forget()
        assert scores(model, windows[:20]) == fresh


def test_it_begins_anew_as_itself_though_its_file_was_replaced(windows: list[Frame], tmp_path: Path) -> None:
    path = Path(shutil.copy(wake_word_model("alexa"), tmp_path / "m.tflite"))
    with load(path, min_score=0.0) as model:
        before = scores(model, windows[:20])
        Path(shutil.copy(wake_word_model("okay_nabu"), tmp_path / "other.tflite")).replace(path)
        model.forget()
        assert scores(model, windows[:20]) == before


def test_it_cannot_be_shared_by_several_workers() -> None:
    pytest.importorskip("pymicro_features")
    model = ModelSettings(path=wake_word_model("alexa"), workers=2)
    with pytest.raises(ModelError, match=r"remembers what it saw before: .* set workers: 1"):
        load_model(PipelineSettings(source=WavSettings(uri=Path("x.wav")), model=model))


def test_what_a_converted_lstm_keeps_by_itself_is_forgotten_before_each_input(models: Path) -> None:
    """Measured: without that its answer to the third picture of the same is another one."""
    with load(models / "keras_lstm_mnist_ptq.tflite", top_k=10) as model:
        picture = np.random.default_rng(0).integers(0, 200, (28, 28, 3), np.uint8)
        answers = [[(c.class_id, c.score) for c in model(picture)] for _ in range(5)]
    assert answers == [answers[0]] * 5


class Burst(BaseSource):
    """A live source that brings a second at once."""

    def __init__(self) -> None:
        super().__init__("mic", live=True)
        self._at = 0

    def read(self) -> Frame:
        if self._at == 3:
            raise EndOfStream
        start, self._at = 16000 * self._at, self._at + 1
        data = sine(440, 1.0)
        return Frame("mic", self._at, data, 0.0, 0, span=Span(start, 16000, 16000.0, ("mono",)))

    def close(self) -> None:
        pass


def test_a_block_of_a_microphone_with_many_windows_is_no_overrun() -> None:
    intake = Intake(max_age_s=1e9)
    feeding = threading.Thread(
        target=intake.feed, args=(Windows(Burst(), Wanted(480, 480, 16000.0, 1, sound=True)), threading.Event())
    )
    feeding.start()
    feeding.join()
    waiting = []
    intake.close()
    while len(waiting) < 34:
        taken = intake.take()
        assert taken is not None
        waiting.append(taken.frame.number)
    assert waiting == list(range(66, 100)), "the newest second is kept"
    assert intake.drops["overrun"] == 66


def counting(path: Path) -> Path:
    """Adds up what it is shown: its state goes in and comes out again."""
    tensors = [Tensor(name, (1, 2)) for name in ("sound", "state_in", "sum", "state_out")]
    tensors += [Tensor("shape", (2,), "int32", (1, 2))]
    ops = [Op(ADD, ["sound", "state_in"], ["sum"]), Op(RESHAPE, ["sum", "shape"], ["state_out"])]
    path.write_bytes(model_bytes(Graph(tensors, ["sound", "state_in"], ["sum", "state_out"], ops)))
    return path


def test_a_state_that_is_fed_back_follows_the_windows_and_ends_at_a_gap(tmp_path: Path) -> None:
    def window(number: int) -> Frame:
        span = Span(2 * number, 2, 16000.0, ("mono",))
        return Frame("mic", number, np.float32([[1], [2]]), 0.0, 0, span=span)

    with load(counting(tmp_path / "m.tflite"), kind="tensors", input="audio", rate_hz=16000) as model:
        assert dict(model.recipe.state) == {"state_in": "state_out"}
        sums = [dict(model.predict(window(number)))["sum"].tolist() for number in (0, 1, 2, 4, 5, 0)]
    assert sums == [[[1, 2]], [[2, 4]], [[3, 6]], [[1, 2]], [[2, 4]], [[1, 2]]]
