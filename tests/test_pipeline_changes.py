"""What may be changed of a pipeline while it runs."""

import threading
from collections.abc import Callable, Iterator

import pytest
from scripted import Harness, ScriptedModel, ScriptedSource, Step, first
from waiting import until

from edge_infer.errors import DelegateError, ModelError
from edge_infer.types import Frame, ModelId

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")


class Named(ScriptedModel):
    def __init__(self, name: str, act: Callable[[Frame], object] = lambda _frame: None) -> None:
        super().__init__(act)
        self.id = ModelId(name, "1", "00")

    def close(self) -> None:
        self.closed = True


def frames(end: threading.Event) -> Iterator[Step]:
    """A file that goes on until it is told to end."""
    number = 0
    while not end.is_set():
        yield from (number, lambda: end.wait(0.002))
        number += 1


@pytest.mark.parametrize("workers", [1, 3])
def test_a_model_is_exchanged_and_no_frame_is_lost(workers: int) -> None:
    end, loaded = threading.Event(), []

    def load() -> Named:
        loaded.append(Named("old" if len(loaded) < workers else "new"))
        return loaded[-1]

    harness = Harness(ScriptedSource(frames(end), live=False), load, workers=workers)
    harness.pipeline.start()
    until(lambda: len(loaded) == workers and len(harness.published) > 10)
    harness.pipeline.exchange_model(load)
    until(lambda: sum(model.closed for model in loaded) == workers)
    until(lambda: harness.published[-1].model.name == "new")
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    assert sorted(harness.numbers) == list(range(len(harness.numbers)))
    assert len(loaded) == 2 * workers
    assert all(model.closed for model in loaded)
    harness.assert_counts_add_up()


def test_a_model_that_does_not_load_changes_nothing() -> None:
    end, old, spare = threading.Event(), Named("old"), Named("spare")
    harness = Harness(ScriptedSource(frames(end), live=False), lambda: old)
    harness.pipeline.start()
    until(lambda: harness.published)

    def fail() -> Named:
        raise ModelError("no such class")

    with pytest.raises(ModelError, match="no such class"):
        harness.pipeline.exchange_model(fail)
    spare.device, spare.fallback_reason = "cpu", "the Edge TPU is in use"
    with pytest.raises(DelegateError, match="it would leave fake: the Edge TPU is in use"):
        harness.pipeline.exchange_model(lambda: spare)
    assert spare.closed
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    assert {result.model.name for result in harness.published} == {"old"}


def test_of_two_exchanges_at_once_the_later_wins_and_every_model_is_closed() -> None:
    end, busy, go_on = (threading.Event() for _ in range(3))
    models = [Named("first", lambda _frame: (busy.set(), go_on.wait(10.0))), Named("second"), Named("third")]
    harness = Harness(ScriptedSource(frames(end), live=False), first(lambda: models[0]))
    harness.pipeline.start()
    assert busy.wait(10.0)
    harness.pipeline.exchange_model(lambda: models[1])
    harness.pipeline.exchange_model(lambda: models[2])
    go_on.set()
    until(lambda: harness.published and harness.published[-1].model.name == "third")
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    assert {result.model.name for result in harness.published} == {"first", "third"}
    assert all(model.closed for model in models)


def test_a_model_that_nobody_goes_on_with_is_closed() -> None:
    harness = Harness(ScriptedSource([0], live=False))
    harness.pipeline.start()
    until(lambda: harness.pipeline.ended)
    late = Named("late")
    harness.pipeline.exchange_model(lambda: late)
    harness.stop()
    assert late.closed


def test_a_paused_pipeline_says_so_and_a_lost_one_says_that() -> None:
    end, silent = threading.Event(), threading.Event()

    def steps() -> Iterator[Step]:
        while not end.is_set():
            yield from (0, lambda: end.wait(0.002)) if not silent.is_set() else (lambda: end.wait(0.01),)

    harness = Harness(ScriptedSource(steps(), live=True), max_frame_age_s=0.3)
    harness.pipeline.intake.paused = True
    harness.pipeline.start()
    until(lambda: harness.drops["paused"] > 3)
    assert harness.pipeline.state == "paused"
    assert harness.pipeline.health().state == "paused"
    assert harness.pipeline.trouble() == "paused by a command"
    assert harness.published == []
    silent.set()
    until(lambda: harness.pipeline.state == "lost")
    assert harness.pipeline.trouble() == "no frame for 0.3 s"
    end.set()
    harness.stop()
    harness.assert_counts_add_up()
