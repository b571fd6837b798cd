"""A model that keeps what it heard says the same in a process of its own as in ours, also where that is replaced."""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from fake_tpu import FakeTpu
from sounds import spoken, wake_word_model, wav_bytes
from tflite_writer import ADD, RESHAPE, Graph, Op, Tensor, model_bytes
from waiting import DEADLINE, until

from edge_infer.bundle.model_file import read_model
from edge_infer.errors import DelegateError, ModelError
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.registry import load_model, open_source
from edge_infer.runtime.delegate import Accelerator
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.runtime.isolated.runtime import IsolatedRuntime
from edge_infer.runtime.isolated.unit import Unit, turns
from edge_infer.runtime.libraries import find_library
from edge_infer.runtime.pool import accelerators, isolated
from edge_infer.runtime.runtime import Runtime
from edge_infer.sources.audio_settings import WavSettings
from edge_infer.sources.windows import Windows
from edge_infer.types import Array, Frame, Wanted

HALF = 25  # of the windows; a model that has heard nothing of these says something else about the others


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """The word alexa, in windows of 30 ms."""
    pytest.importorskip("pymicro_features")
    folder = tmp_path_factory.mktemp("spoken")
    silence = np.zeros((8000, 1), np.float32)
    (folder / "x.wav").write_bytes(wav_bytes(np.concatenate([silence, spoken("alexa", folder), silence])))
    with open_source(folder / "x.wav") as source:
        return list(Windows(source, Wanted(480, 480, 16000.0, 1, sound=True)))


@pytest.fixture(scope="module")
def inputs(windows: list[Frame]) -> list[Array]:
    """The same, as the model's inputs."""
    with load(wake_word_model("alexa")) as model:
        return [np.array(model.engine.feed(window)[0][0]) for window in windows]


def answers(runtime: Runtime, inputs: Sequence[Array]) -> list[bytes]:
    return [runtime.run([each])[0].tobytes() for each in inputs]


def fresh(inputs: Sequence[Array]) -> list[bytes]:
    """What a model that has heard nothing says in our process."""
    runtime = InterpreterRuntime(read_model(wake_word_model("alexa")), library=find_library())
    try:
        return answers(runtime, inputs)
    finally:
        runtime.close()


def scores(model: Model, windows: list[Frame]) -> list[float]:
    return [next((float(c.score) for c in model.predict(window)), 0.0) for window in windows]


def fresh_scores(windows: list[Frame]) -> list[float]:
    with load(wake_word_model("alexa"), min_score=0.0) as model:
        return scores(model, windows)


def picture(number: int) -> Frame:
    return Frame("camera", number, np.full((2, 2, 3), 255, np.uint8), 0.0, 0)


def kill(unit: Unit) -> None:
    """Its process ends; whoever asks next finds that out."""
    assert unit.pid is not None
    os.kill(unit.pid, signal.SIGKILL)


def the_unit() -> Unit:
    (unit,) = accelerators().values()
    return unit


@pytest.fixture
def apart(tpu: FakeTpu) -> Iterator[Model]:
    """The model in a process of its own."""
    with load(wake_word_model("alexa"), isolated=True, device="cpu", min_score=0.0) as model:
        yield model


def on_accelerator(tpu: FakeTpu) -> Model:
    """The model in the process of an accelerator, which leaves all of it to the CPU there."""
    return load(wake_word_model("alexa"), device="external", delegate=tpu.library, min_score=0.0)


def test_it_says_the_same_as_in_our_process_and_again_after_it_forgot(inputs: list[Array], tpu: FakeTpu) -> None:
    said, anew = fresh(inputs), fresh(inputs[HALF:])
    assert said[HALF:] != anew, "or nothing is tested here"
    runtime = isolated(read_model(wake_word_model("alexa")), "cpu", find_library())
    try:
        assert runtime.remembers
        assert answers(runtime, inputs) == said, "nothing is left of the question that proved it"
        runtime.forget()
        assert answers(runtime, inputs[HALF:]) == anew
        runtime.forget()
        runtime.forget()
        assert answers(runtime, inputs[:HALF]) + answers(runtime, inputs[HALF:]) == said
    finally:
        runtime.close()


def test_a_stream_that_begins_anew_or_has_a_gap_is_another_one(apart: Model, windows: list[Frame]) -> None:
    whole = fresh_scores(windows)
    assert scores(apart, windows) == whole
    assert scores(apart, windows) == whole, "it counts from 0 again"
    scores(apart, windows[:HALF])
    assert scores(apart, windows[HALF + 1 :]) == fresh_scores(windows[HALF + 1 :])
    apart.forget()
    assert scores(apart, windows) == whole


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
def test_with_its_process_all_is_forgotten_that_belongs_to_it(
    apart: Model, windows: list[Frame], fault: signal.Signals
) -> None:
    """Its own state, that of the front end, and the scores that the mean is of."""
    scores(apart, windows[:HALF])
    assert isinstance(apart.runtime, IsolatedRuntime)
    (unit,) = apart.runtime._units
    assert unit.pid is not None
    os.kill(unit.pid, fault)
    with pytest.raises(DelegateError):
        apart.predict(windows[HALF])
    rest = fresh_scores(windows[HALF + 1 :])
    assert scores(apart, windows[HALF + 1 :]) == rest != fresh_scores(windows)[HALF + 1 :]
    assert unit.started == 2


def test_two_streams_on_one_accelerator_do_not_hear_each_other(windows: list[Frame], tpu: FakeTpu) -> None:
    with on_accelerator(tpu) as one, on_accelerator(tpu) as other:
        heard = [
            scores(one, [early]) + scores(other, [late]) for early, late in zip(windows, windows[HALF:], strict=False)
        ]
        assert the_unit().started == 1
    assert [score for score, _ in heard] == fresh_scores(windows)[: len(heard)]
    assert [score for _, score in heard] == fresh_scores(windows[HALF:])


def test_a_process_that_was_replaced_over_another_model_costs_an_answer_and_no_mixture(
    windows: list[Frame], tpu: FakeTpu
) -> None:
    with on_accelerator(tpu) as one, on_accelerator(tpu) as other:
        scores(one, windows[:HALF])
        kill(the_unit())
        with pytest.raises(DelegateError):
            other.predict(windows[0])
        until(lambda: the_unit().state == "running", what="the next process")
        with pytest.raises(DelegateError, match="the process was replaced that had what the model keeps"):
            one.predict(windows[HALF])
        assert scores(one, windows[HALF + 1 :]) == fresh_scores(windows[HALF + 1 :])
        assert (the_unit().started, the_unit().faults) == (2, {"crash": 1})


def test_it_stays_on_the_accelerator_that_has_what_it_heard(
    inputs: list[Array], tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Accelerator("usb", "/sys/bus/usb/devices/1-1"), Accelerator("usb", "/sys/bus/usb/devices/1-2")]
    monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", lambda: found)
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "2")
    said = fresh(inputs)
    runtime = isolated(read_model(wake_word_model("alexa")), "edgetpu", find_library(), delegate=tpu.library)
    try:
        for away in (*accelerators().values(), *accelerators().values()):  # the second time they know it already
            assert turns.take([away], DEADLINE, hopeful=False) is away
            runtime.forget()
            first = answers(runtime, inputs[:1])
            turns.offer(away)
            assert first + answers(runtime, inputs[1:]) == said
            assert runtime.device != away.name
    finally:
        runtime.close()


def test_it_cannot_be_shared_by_several_workers(tpu: FakeTpu) -> None:
    pytest.importorskip("pymicro_features")
    model = ModelSettings(path=wake_word_model("alexa"), workers=2, device="cpu", isolated=True)
    with pytest.raises(ModelError, match=r"remembers what it saw before: .* set workers: 1"):
        load_model(PipelineSettings(source=WavSettings(uri=Path("x.wav")), model=model))


def test_what_stands_in_again_does_not_go_on_where_it_stood_in_before(tmp_path: Path, tpu: FakeTpu) -> None:
    """It adds up pictures; some may be missing, but not all that an accelerator was shown meanwhile."""
    tensors = [Tensor(name, (1, 2, 2, 3)) for name in ("image", "state_in", "sum", "state_out")]
    tensors += [Tensor("shape", (4,), "int32", (1, 2, 2, 3))]
    ops = [Op(ADD, ["image", "state_in"], ["sum"]), Op(RESHAPE, ["sum", "shape"], ["state_out"])]
    path = tmp_path / "sum.tflite"
    path.write_bytes(model_bytes(Graph(tensors, ["image", "state_in"], ["sum", "state_out"], ops)))
    with load(
        path, device="external", delegate=tpu.library, stand_in=True, kind="tensors", mean=0.0, std=255.0
    ) as model:

        def shown(number: int) -> tuple[str, float]:
            result = model.predict(picture(number))
            return result.device, float(dict(result)["sum"].max())

        assert [shown(0), shown(1)] == [("external", 1), ("external", 2)]
        kill(the_unit())
        assert shown(2) == ("cpu", 1)
        until(lambda: the_unit().state == "running", what="the next process")
        assert shown(3) == ("external", 3)
        kill(the_unit())
        assert shown(4) == ("cpu", 1)
