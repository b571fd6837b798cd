"""What becomes of a model that hangs."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripted import Harness, ScriptedModel, ScriptedSource, Step, first
from waiting import DEADLINE, until

from edge_infer import answering, inferring
from edge_infer.errors import DelegateError, DelegateTimeoutError, StalledError
from edge_infer.flow.standstills import Standstills
from edge_infer.inferring import Patience
from edge_infer.settings import SuperviseSettings
from edge_infer.types import Frame

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")

IMPATIENT = SuperviseSettings(infer_s=0.25, exit_after_s=None)  # a busy machine stops a thread for less


def supervised(harness: Harness, condition: Callable[[], object]) -> None:
    """Wait for something, while the supervisor looks."""

    def turn() -> object:
        harness.pipeline.supervise(Standstills(), IMPATIENT)
        return condition()

    until(turn)


def hanging(released: threading.Event, *numbers: int) -> ScriptedModel:
    """A model that hangs with these frames."""

    def act(frame: Frame) -> None:
        if frame.number in numbers:
            assert released.wait(DEADLINE)

    return ScriptedModel(act)


def live(end: threading.Event) -> ScriptedSource:
    def steps() -> Iterator[Step]:
        number = 0
        while not end.is_set():
            yield from (number, lambda: end.wait(0.005))
            number += 1

    return ScriptedSource(steps(), live=True)


def test_a_model_that_hangs_is_loaded_anew_and_its_late_answer_is_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    released = threading.Event()
    models = [hanging(released, 3), ScriptedModel()]
    harness = Harness(ScriptedSource(range(10), live=False), first(lambda: models[0], lambda: models[1]))
    began = time.monotonic()
    harness.pipeline.supervise(Standstills(), IMPATIENT)
    harness.pipeline.start()
    supervised(harness, lambda: harness.pipeline.ended)
    assert sorted(harness.numbers) == list(range(10))  # one result each
    late = next(result for result in harness.published if result.number == 3)
    assert (late.status, late.prediction) == ("timeout", None)
    assert late.error is not None
    assert late.error == "the model of door hangs: it gave no answer in 0.2 s"
    until(lambda: time.monotonic() > began + 1.0, what="a hang that would stretch patience")
    released.set()
    until(lambda: models[0].closed)
    harness.stop()
    harness.assert_counts_add_up()
    assert harness.pipeline._infer[0].patience.limit_s("fake") == IMPATIENT.infer_s
    assert (harness.pipeline.errors, harness.pipeline.health().infer_restarts) == (1, 1)
    assert "a model hangs, it is loaded anew" in [record.getMessage() for record in caplog.records]


def test_the_other_workers_go_on_while_one_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inferring, "LOAD_S", 0.25)  # it may be the first frame of that worker
    monkeypatch.setattr(answering, "HOLD_S", 0.02)
    released, end = threading.Event(), threading.Event()
    hung: list[int] = []

    def act(frame: Frame) -> None:
        if frame.number > 50 and not hung:
            hung.append(frame.number)
            assert released.wait(DEADLINE)

    harness = Harness(live(end), lambda: ScriptedModel(act), workers=2)
    harness.pipeline.start()
    supervised(harness, lambda: any(result.status == "timeout" for result in harness.published))
    assert [result.number for result in harness.published if result.status == "timeout"] == hung
    assert max(harness.numbers) > hung[0] + 5
    released.set()
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()
    harness.assert_counts_add_up()


def test_the_reason_is_told_until_there_is_an_answer() -> None:
    released, loads, end = (threading.Event() for _ in range(3))

    def slowly() -> ScriptedModel:
        assert loads.wait(DEADLINE)
        return ScriptedModel()

    def act(_frame: Frame) -> None:
        if harness.published:  # the first answer may take longer
            assert released.wait(DEADLINE)

    harness = Harness(live(end), first(lambda: ScriptedModel(act), slowly))
    harness.pipeline.start()
    supervised(harness, lambda: "hangs: it gave no answer" in (harness.pipeline.trouble() or ""))
    assert (harness.pipeline.trouble() or "").endswith("; it is loaded anew")
    loads.set()
    supervised(harness, lambda: harness.pipeline.trouble() is None)
    released.set()
    end.set()
    until(lambda: harness.pipeline.ended)
    harness.stop()


def test_a_model_that_does_not_finish_loading_is_loaded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inferring, "LOAD_S", 0.25)
    released, late = threading.Event(), ScriptedModel()

    def hangs() -> ScriptedModel:
        assert released.wait(DEADLINE)
        return late

    harness = Harness(ScriptedSource(range(5), live=False), first(hangs, ScriptedModel))
    harness.pipeline.start()
    assert not harness.pipeline.has_begun
    supervised(harness, lambda: harness.pipeline.ended)
    assert harness.pipeline.has_begun
    released.set()
    until(lambda: late.closed)
    harness.stop()
    assert harness.numbers == list(range(5))


def test_a_model_that_hangs_again_and_again_ends_the_process() -> None:
    released = threading.Event()
    harness = Harness(ScriptedSource(range(100), live=False), lambda: hanging(released, *range(1, 100, 2)))
    harness.pipeline.start()
    with pytest.raises(StalledError, match=r"the model of door hangs: .*, for the 3rd time in 10 minutes"):
        supervised(harness, lambda: False)
    assert [result.number for result in harness.published if result.status == "timeout"] == [1, 3]
    harness.pipeline.stop()
    assert not harness.pipeline.join(0.1)
    assert harness.published[-1].status == "timeout"
    released.set()
    until(lambda: harness.pipeline.ended)
    harness.assert_counts_add_up()


def test_a_frame_that_is_with_the_model_at_the_end_gets_a_result() -> None:
    busy, released = threading.Event(), threading.Event()

    def act(_frame: Frame) -> None:
        busy.set()
        assert released.wait(DEADLINE)

    harness = Harness(ScriptedSource(range(9), live=False), ScriptedModel(act))
    harness.pipeline.start()
    assert busy.wait(DEADLINE)
    harness.pipeline.stop()
    assert not harness.pipeline.join(0.05)
    assert [(result.number, result.status) for result in harness.published] == [(0, "timeout")]
    released.set()
    until(lambda: harness.pipeline.ended)
    assert len(harness.published) == 1
    harness.assert_counts_add_up()


def test_a_result_that_nobody_takes_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "PUBLISH_S", 0.25)
    released, end = threading.Event(), threading.Event()
    harness = Harness(live(end))
    harness.pipeline._publish = lambda _result, _pipeline: released.wait(DEADLINE)
    harness.pipeline.start()
    with pytest.raises(StalledError, match="door: a result is not taken over"):
        supervised(harness, lambda: False)
    end.set()
    released.set()
    harness.stop()


@pytest.mark.parametrize(
    ("error", "status"), [(DelegateError("unplugged"), "error"), (DelegateTimeoutError("no answer in 1 s"), "timeout")]
)
def test_a_model_that_heals_itself_is_not_loaded_anew(error: Exception, status: str) -> None:
    def act(frame: Frame) -> None:
        if frame.number == 1:
            raise error

    loaded: list[Any] = []

    def load() -> ScriptedModel:
        loaded.append(ScriptedModel(act))
        loaded[-1].heals = True
        return loaded[-1]

    harness = Harness(ScriptedSource(range(4), live=False), load).run()
    assert [result.status for result in harness.published] == ["ok", status, "ok", "ok"]
    assert harness.published[1].error == str(error)
    assert len(loaded) == 1
    assert (harness.pipeline.errors, harness.pipeline.health().infer_restarts) == (1, 0)


def test_patience_is_twenty_times_the_usual_where_that_is_more() -> None:
    patience = Patience()
    patience.floor_s = 1.5
    assert patience.limit_s("cpu") == inferring.LOAD_S  # the first answer
    for _ in range(200):
        patience.learn(0.01)
    assert patience.limit_s("cpu") == 1.5
    for _ in range(200):
        patience.learn(0.4)
    assert patience.limit_s("cpu") == pytest.approx(8.0, rel=0.06)  # the histogram knows it to 5 %
    assert patience.limit_s("edgetpu:usb") == inferring.LOAD_S
    assert patience.limit_s("edgetpu:usb") == 1.5


def test_a_single_slow_answer_does_not_stretch_patience_for_long() -> None:
    patience = Patience()
    patience.limit_s("cpu")
    patience.learn(2.0)
    assert patience.limit_s("cpu") == pytest.approx(40.0, rel=0.06)
    for _ in range(300):
        patience.learn(0.02)
    assert patience.limit_s("cpu") == 1.5


@pytest.mark.parametrize(("own_s", "given_s"), [(None, inferring.INFER_S), (0.1, inferring.INFER_S), (100.0, 101.0)])
def test_a_model_that_waits_for_its_accelerator_is_given_the_time(own_s: float | None, given_s: float) -> None:
    limits: list[float] = []

    def act(_frame: Frame) -> None:
        (infer,) = harness.pipeline._infer
        now = infer._worker.heartbeat.act
        assert now is not None
        limits.append(now.limit_s)

    model = ScriptedModel(act)
    model.limit_s = own_s
    harness = Harness(ScriptedSource(range(3), live=False), model)
    harness.run()
    assert limits[-1] == given_s
