"""What a pipeline does when its model fails."""

import threading

import pytest
from scripted import Harness, ScriptedModel, ScriptedSource, fail
from waiting import until

from edge_infer.errors import DelegateError, InputError, ModelError
from edge_infer.types import Frame

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")


def test_a_frame_that_the_model_cannot_take_is_an_answer_and_the_next_one_comes() -> None:
    def act(frame: Frame) -> None:
        if frame.number == 1:
            raise InputError("roi outside")

    harness = Harness(ScriptedSource(range(3), live=False), ScriptedModel(act)).run()
    assert [(r.number, r.status, r.error) for r in harness.published] == [
        (0, "ok", None),
        (1, "error", "roi outside"),
        (2, "ok", None),
    ]
    assert harness.published[1].prediction is None
    assert harness.pipeline.errors == 1
    assert harness.pipeline.failure is None


def test_a_failing_accelerator_is_an_answer_and_the_model_is_loaded_again() -> None:
    troubles: list[str | None] = []
    models: list[ScriptedModel] = []

    def act(frame: Frame) -> None:
        troubles.append(harness.pipeline.trouble())
        if len(troubles) <= 2:
            raise DelegateError("unplugged")

    def load() -> ScriptedModel:
        models.append(ScriptedModel(act))
        return models[-1]

    harness = Harness(ScriptedSource(range(4), live=False), load)
    harness.run()
    assert [r.status for r in harness.published] == ["error", "error", "ok", "ok"]
    assert len(models) == 3
    assert all(model.closed for model in models)
    assert harness.pipeline.errors == 2
    # Loading the model again is no success yet: only an answer is.
    assert troubles == [None, "unplugged", "unplugged", None]


def test_an_accelerator_that_is_not_there_is_waited_for_and_named() -> None:
    plugged_in = threading.Event()

    def load() -> ScriptedModel:
        if not plugged_in.is_set():
            raise DelegateError("no Edge TPU")
        return ScriptedModel()

    harness = Harness(
        ScriptedSource(range(2), live=True),
        load,
        max_frame_age_s=1e-6,  # a source that was not yet asked for frames is not lost, however long that takes
    )
    harness.pipeline.start()
    until(lambda: harness.pipeline._infer[0].restarts >= 1)
    assert harness.pipeline.trouble() == "no Edge TPU"
    assert harness.pipeline.state == "starting"
    plugged_in.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    harness.assert_counts_add_up()


@pytest.mark.parametrize("error", [ModelError("cannot run"), RuntimeError("a bug")])
def test_any_other_failure_of_the_model_ends_the_pipeline(error: Exception) -> None:
    def act(frame: Frame) -> None:
        raise error

    harness = Harness(ScriptedSource(range(5), live=False), ScriptedModel(act))
    harness.pipeline.start()
    until(lambda: harness.pipeline.failure)
    harness.stop()
    assert harness.pipeline.failure is error
    if isinstance(error, ModelError):
        assert [(r.status, r.error) for r in harness.published] == [("error", "cannot run")]
        harness.assert_counts_add_up()


def test_a_model_that_cannot_be_loaded_is_a_failure() -> None:
    harness = Harness(ScriptedSource(range(5), live=False), fail(ModelError("damaged")))
    harness.pipeline.start()
    until(lambda: harness.pipeline.failure)
    harness.stop()
    assert str(harness.pipeline.failure) == "damaged"
    assert harness.pipeline.intake.frames == 0
