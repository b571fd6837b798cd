"""Whatever a sink of somebody else does, nobody waits for it, and what it loses is counted."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import until

from edge_infer.daemon import Daemon
from edge_infer.deliver import apart
from edge_infer.deliver.apart import CAPACITY, SinkApart
from edge_infer.errors import TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.settings import load_settings
from edge_infer.testing import example_results
from edge_infer.types import Event, Result

RESULT = example_results()[0]
EVENT = Event("1", "start", "object", "person", 0.0, 0, 0.0)


class Scripted:
    """Does what `script` says with each result: "take", "refuse", "later", "hang"; then it takes all."""

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.taken: list[tuple[Result, str | None]] = []
        self.opened = self.closed = 0
        self.free = threading.Event()
        self.hanging = threading.Event()

    def open(self) -> "Scripted":
        self.opened += 1
        return self

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        match self.script.pop(0) if self.script else "take":
            case "refuse":
                raise ValueError("not this one")
            case "later":
                raise TransientError("come back later")
            case "hang":
                self.hanging.set()
                self.free.wait(30)
        self.taken.append((result, pipeline))
        return len(self.taken)

    def close(self) -> int:
        self.closed += 1
        return 0


@pytest.fixture(autouse=True)
def _nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "next_delay", lambda _self: 0.001)


@pytest.fixture
def made() -> Iterator[list[tuple[Scripted, SinkApart]]]:
    pairs: list[tuple[Scripted, SinkApart]] = []
    yield pairs
    for sink, around in pairs:
        sink.free.set()
        around.close()


def make(made: list[tuple[Scripted, SinkApart]], *script: str) -> tuple[Scripted, SinkApart]:
    sink = Scripted(*script)
    made.append((sink, SinkApart("mine", sink.open)))
    return made[-1]


def test_results_come_in_order_with_their_pipeline(made: list[tuple[Scripted, SinkApart]]) -> None:
    sink, around = make(made)
    for result in example_results():
        around.publish(result, "door")
    assert around.close() == 0
    assert [result.number for result, _ in sink.taken] == [0, 1, 2, 3]
    assert {pipeline for _, pipeline in sink.taken} == {"door"}
    assert sink.closed == 1


def test_events_go_to_a_sink_that_takes_them_in_order_with_results() -> None:
    class Both(Scripted):
        def publish_event(self, event: Event, pipeline: str) -> int:
            return self.publish(event, pipeline)  # type: ignore[arg-type]

    sink = Both()
    around = SinkApart("mine", sink.open)
    around.publish(RESULT, "door")
    around.publish_event(EVENT, "door")
    assert around.close() == 0
    assert sink.taken == [(RESULT, "door"), (EVENT, "door")]


def test_events_are_no_loss_for_a_sink_that_takes_results_alone(made: list[tuple[Scripted, SinkApart]]) -> None:
    sink, around = make(made)
    around.publish_event(EVENT, "door")
    around.publish(RESULT, "door")
    assert around.close() == 0
    assert sink.taken == [(RESULT, "door")]


def test_a_result_that_is_refused_is_counted_and_the_next_one_comes(made: list[tuple[Scripted, SinkApart]]) -> None:
    sink, around = make(made, "take", "refuse", "take")
    for result in example_results():
        around.publish(result)
    until(lambda: len(sink.taken) == 3)
    assert (around.lost, sink.opened) == (1, 2)
    assert around.close() == 1


def test_a_result_that_is_wanted_later_is_kept(made: list[tuple[Scripted, SinkApart]]) -> None:
    sink, around = make(made, "later", "later")
    around.publish(RESULT)
    until(lambda: len(sink.taken) == 1)
    until(lambda: around.trouble is None)
    assert around.close() == 0
    assert sink.opened == 3


def test_what_is_wrong_can_be_read(made: list[tuple[Scripted, SinkApart]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "CLOSE_S", 0.05)
    sink, around = make(made, *["later"] * 10_000)
    assert around.trouble is None
    around.publish(RESULT)
    until(lambda: around.trouble == "come back later")
    assert around.close() == 1
    sink.script.clear()


def test_one_that_hangs_holds_up_nobody_and_what_is_dropped_is_counted(
    made: list[tuple[Scripted, SinkApart]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "STUCK_S", 0.01)
    monkeypatch.setattr(apart, "CLOSE_S", 0.05)
    sink, around = make(made, "hang")
    around.publish(RESULT)
    sink.hanging.wait(20)
    for _ in range(CAPACITY + 7):
        around.publish(RESULT)
    assert around.lost == 7
    until(lambda: around.trouble is not None and "hangs (publish)" in around.trouble)
    assert around.close() == CAPACITY + 8
    assert around.publish(RESULT) == CAPACITY + 8  # it is over: nothing more is taken


def test_one_that_is_slow_is_told(made: list[tuple[Scripted, SinkApart]]) -> None:
    sink, around = make(made, "hang")
    around.publish(RESULT)
    sink.hanging.wait(20)
    for _ in range(CAPACITY):
        around.publish(RESULT)
    assert around.trouble == "the sink is slower than results come: the oldest are dropped"


def test_one_that_cannot_be_opened_is_tried_again(made: list[tuple[Scripted, SinkApart]]) -> None:
    sink = Scripted()
    failures = [OSError("no"), TransientError("not yet")]

    def open_sink() -> Scripted:
        if failures:
            raise failures.pop()
        return sink.open()

    around = SinkApart("mine", open_sink)
    made.append((sink, around))
    around.publish(RESULT)
    until(lambda: len(sink.taken) == 1)
    assert failures == []


SINK = """
from edge_infer.deliver.sink_kind import PluggedSink, SinkKind

class Settings(PluggedSink, frozen=True, kw_only=True, tag="worst"):
    pass

class Worst:
    def publish(self, result, pipeline=None):
        raise SystemExit(3)
    def close(self):
        raise SystemExit(4)

WORST = SinkKind(Settings, lambda settings: Worst())
"""


def test_the_worst_sink_does_not_stop_the_daemon(install: Callable[..., None], tmp_path: Path) -> None:
    install("bad", "edge_infer.sinks", "worst = bad:WORST", SINK)
    model = Path(__file__).resolve().parents[2] / "models/face-detection"
    (tmp_path / "config.yaml").write_text(
        "version: 1\ndevice: {id: porch}\nsinks: [{kind: worst}]\nfile: {path: out.jsonl}\npipelines:\n"
        f"  door: {{source: {{kind: images, uri: {model}}}, model: {{path: {model}}}}}\n"
    )
    daemon = Daemon(load_settings(tmp_path / "config.yaml"))
    daemon.run()
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1
    assert "was ended by SystemExit" in str(daemon.plugged[0].trouble)
    assert daemon.plugged[0].close() == 1
