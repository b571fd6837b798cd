"""Each scenario on a real model, a real broker and a real subscriber; how fast is not asserted here."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from health.boards import planted

from edge_infer.errors import EdgeInferError, StalledError
from edge_infer.tools.bench import contenders, live, run, scenarios
from edge_infer.tools.bench.cold import STEPS, start
from edge_infer.tools.bench.given import RING, Given, Ring, given, open_model
from edge_infer.tools.bench.record import Outcome, Report, Settings
from edge_infer.tools.bench.run import bench, steps
from edge_infer.tools.local_broker import find_mosquitto, local_broker

SHIPPED = Path(__file__).resolve().parents[2] / "models"
FACE, ACTIVITY = SHIPPED / "face-detection", SHIPPED / "activity"
QUICK = Settings(scenarios=(), seconds=0.1, rounds=1)
needs_broker = pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")


def what_is_given(path: Path, settings: Settings = QUICK) -> Given:
    with open_model(path, settings) as model:
        return given(path, model, path / "model.tflite", settings)


def outcome(report: Report, scenario: str) -> Outcome:
    return next(one for one in report.models[0].outcomes if one.scenario == scenario)


def test_the_frames_lie_in_a_ring_and_are_not_copied() -> None:
    what = what_is_given(FACE)
    frames = [frame for frame, _ in zip(Ring(what), range(RING + 1), strict=False)]
    buffers = [frame.data.ctypes.data for frame in frames]
    assert len(set(buffers)) == RING
    assert buffers[RING] == buffers[0]
    assert len({frame.data.tobytes() for frame in frames[:RING]}) == RING
    assert [frame.number for frame in frames] == list(range(RING + 1))


def test_windows_of_samples_follow_one_another() -> None:
    what = what_is_given(ACTIVITY)
    frames = [frame for frame, _ in zip(Ring(what), range(4), strict=False)]
    assert frames[0].span is not None
    assert [frame.span.samples for frame in frames if frame.span] == [frames[0].span.samples, *[what.hop] * 3]
    assert all(a.span.end == b.span.start for a, b in pairwise(frames) if a.span and b.span)


def test_a_picture_may_be_named(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(QUICK, picture=str(FACE / "sample.jpg"))
    assert what_is_given(FACE, settings).frames[0].data.shape != what_is_given(FACE).frames[0].data.shape
    with pytest.raises(EdgeInferError):
        what_is_given(FACE, msgspec.structs.replace(QUICK, picture=str(tmp_path / "none.jpg")))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_model_alone_runs_in_as_many_threads_as_there_are_workers(workers: int) -> None:
    what = what_is_given(FACE)
    turn = contenders.bare(what, msgspec.structs.replace(QUICK, workers=workers), "")
    assert turn.frames == len(turn.ms["invoke"]) > 0
    slowest = max(turn.ms["invoke"])
    assert turn.fps >= workers * 1e3 / slowest * 0.99, "the rates of all of them together"


@pytest.mark.parametrize(("path", "workers"), [(FACE, 3), (ACTIVITY, 1)], ids=["pictures", "samples"])
def test_each_frame_of_a_query_and_of_a_batch_is_answered_once(
    path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    settings, what = msgspec.structs.replace(QUICK, workers=workers), what_is_given(path)

    def noting(self: Given, number: int) -> object:
        asked.append(number)
        return frame(self, number)

    frame = Given.frame
    monkeypatch.setattr(Given, "frame", noting)
    turn = scenarios.offline(what, settings, "")
    counted = asked[-turn.frames :]
    assert sorted(counted) == list(range(turn.frames))
    del asked[:]
    turn = scenarios.multi(what, settings, "")
    assert turn.frames == len(turn.ms["query"]) * scenarios.QUERY
    assert sorted(asked) == list(range(len(asked))), "none is left out, none comes twice"


@needs_broker
@pytest.mark.parametrize("path", [FACE, pytest.param(ACTIVITY, marks=pytest.mark.slow)], ids=["pictures", "samples"])
def test_what_a_live_source_gives_reaches_the_subscriber_or_is_counted_as_dropped(path: Path) -> None:
    fps = 5000.0 if path == FACE else 50.0  # more than the model takes; of windows none is dropped
    with local_broker() as url:
        turn = live.live(what_is_given(path), msgspec.structs.replace(QUICK, seconds=0.2, fps=fps), url)
    counts = turn.counts
    assert counts["results"] == counts["acknowledged"] == counts["received"] > 0
    if path == FACE:
        assert counts["dropped overrun"] > 0
        assert counts["frames"] == counts["results"] + sum(
            n for name, n in counts.items() if name.startswith("dropped")
        )
    assert all(0 < added < latency for added, latency in zip(turn.ms["added"], turn.ms["latency"], strict=True))
    assert not turn.notes


@needs_broker
def test_a_pipeline_counts_what_was_acknowledged_and_says_what_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with local_broker() as url:
        what = what_is_given(FACE)
        turn = contenders.pipeline(what, msgspec.structs.replace(QUICK, workers=2), url)
        assert turn.frames > 0
        assert turn.notes == ()
        assert {"source", "infer", "answer", "deliver", "outbox"} <= turn.threads_s.keys()
        assert turn.threads_s["infer"] > 0
        with contenders.running(what, QUICK, url, lambda: Ring(what), lambda _frame, _result: None) as held:
            held.wait_acknowledged(more_than=0)
            held.stop()
            counts = held.publisher.outbox.counts
            assert counts.put == counts.acknowledged > 0, "the end waits for the last acknowledgement"
            monkeypatch.setattr(type(held), "left", property(lambda _self: 3))
            monkeypatch.setattr("edge_infer.tools.bench.running.WAIT_S", 0.01)
            assert contenders.settled(held) == (f"3 of {counts.put} results were not acknowledged",)


@needs_broker
def test_a_pipeline_that_gives_no_answers_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    what = what_is_given(FACE)
    wrong = Given(what.path, what_is_given(ACTIVITY).frames, 0, what.tensors, what.device, what.file)
    with local_broker() as url, pytest.raises(StalledError, match="gives no answers"):
        contenders.pipeline(wrong, QUICK, url)


@needs_broker
def test_a_start_is_told_by_its_steps() -> None:
    with local_broker() as url:
        turn = start(what_is_given(FACE), QUICK, url)
    assert set(turn.ms) == {*STEPS, "total"}
    assert all(ms[0] > 0 for ms in turn.ms.values())
    assert turn.ms["total"][0] == pytest.approx(sum(turn.ms[name][0] for name in STEPS))


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    what = what_is_given(FACE)
    broken = Given(tmp_path / "none.tflite", what.frames, what.hop, what.tensors, what.device, what.file)
    with pytest.raises(EdgeInferError, match=r"does not start in a fresh process: .*none\.tflite"):
        start(broken, QUICK, "mqtt://127.0.0.1:1")


@needs_broker
def test_rounds_alternate_and_minutes_come_last() -> None:
    said: list[str] = []
    settings = Settings(scenarios=("single", "offline"), seconds=0.05, rounds=2, minutes=0.01)
    report = bench([FACE], settings, progress=said.append)
    names = [text.rpartition(": face-detection ")[2] for text in said]
    assert names[:4] == ["single", "offline", "offline", "single"]
    assert len(said) == steps(1, settings) == 5
    lasting = outcome(report, "sustained")
    assert len(lasting.series["results"].values) >= 6
    assert lasting.figures["RSS growth"].value is None
    assert lasting.figures["RSS growth"].reason == "needs 15 looks, has 7"
    assert (lasting.figures["peak RSS"].value or 0) >= (lasting.figures["RSS"].value or 0) > 0
    assert report.power.reason
    assert "energy" not in lasting.figures


@needs_broker
def test_energy_is_what_is_taken_beyond_the_idle_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "IDLE_S", 0.3)
    power = tmp_path / "sys/class/hwmon/hwmon0/power1_input"
    planted(tmp_path, {"sys/class/hwmon/hwmon0/name": "ina226\n", "sys/class/hwmon/hwmon0/power1_input": "2000000\n"})

    def begin(_text: str) -> None:
        power.write_text("5000000\n")

    settings = Settings(scenarios=("single",), seconds=0.4, rounds=1)
    report = bench([FACE], settings, progress=begin, root=tmp_path)
    assert report.power.method == "hwmon ina226/power1"
    idle_w = report.power.idle_w or 0.0
    assert 1.9 <= idle_w < 3.5  # its last reading may be of later
    figures = outcome(report, "single").figures
    assert figures["power"].value == pytest.approx(5.0)
    assert figures["energy"].value == pytest.approx((5.0 - idle_w) / (figures["fps"].value or 0), rel=0.1)


@needs_broker
@pytest.mark.slow
def test_an_accelerator_is_measured_alone_and_in_a_pipeline(models: Path, fake_edgetpu: str) -> None:
    settings = Settings(scenarios=("side", "single"), seconds=0.2, rounds=1, delegate=fake_edgetpu)
    report = bench([models / "mobilenet_v1_0.25_128_quant.tflite"], settings, progress=print)
    facts = report.models[0].facts
    assert facts.device.startswith("edgetpu")
    assert (facts.graph.operators, facts.graph.parts) == (1, 1)
    assert outcome(report, "side").figures["bare"].value
