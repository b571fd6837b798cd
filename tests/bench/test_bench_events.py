"""Events in the scenario `live`: none is missing, and they have figures of their own."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from bench_reports import report
from broker import Subscriber

from edge_infer.mqtt.link import Message
from edge_infer.tools.bench import live, outcomes
from edge_infer.tools.bench.eventful import EVERY, Eventful
from edge_infer.tools.bench.given import given, open_model
from edge_infer.tools.bench.listening import Heard, read
from edge_infer.tools.bench.page import page
from edge_infer.tools.bench.record import Outcome, Settings
from edge_infer.tools.bench.told import LINE, told
from edge_infer.tools.bench.turn import Turn
from edge_infer.tools.local_broker import find_mosquitto, local_broker
from edge_infer.types import Event, Frame, ModelId, Result
from edge_infer.wire.payloads import Envelope

FACE = Path(__file__).resolve().parents[2] / "models" / "face-detection"
HOW = Settings(scenarios=("live",), seconds=0.5, rounds=1, fps=100.0)
KINDS = ("event", "event added", "event kept")
needs_broker = pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")


def results(count: int) -> list[tuple[Frame, Result]]:
    frames = [Frame("ring", n, np.zeros((2, 2, 3), np.uint8), 100.0 + n, 1000 * n) for n in range(count)]
    model = ModelId("m", "1", "00")
    return [(frame, Result.of(frame, task="detect", model=model, device="cpu", prediction=None)) for frame in frames]


def envelope(first_seq: int, *items: dict[str, object]) -> bytes:
    return msgspec.json.encode(
        Envelope(device="bench", epoch=1, boot="b", first_seq=first_seq, clock="synced", results=list(items))
    )


def summed_up(*events_ms: float) -> Outcome:
    """What a turn with 20 results and these events amounts to."""
    ms = {"latency": [5.0] * 20, "added": [1.0] * 20, "infer": [4.0] * 20} | {name: list(events_ms) for name in KINDS}
    counts = {"frames": 20, "results": 20, "events": len(events_ms), "events received": len(events_ms)}
    return outcomes.live({"live": [Turn(20, 1.0, 0.1, 0.0, 1.0, ms, counts)]}, HOW)


@needs_broker
def test_each_event_is_heard_and_timed_and_results_are_counted_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.tools.bench.eventful.EVERY", 2)
    with open_model(FACE, HOW) as model:
        what = given(FACE, model, FACE / "model.tflite", HOW)
    with local_broker() as url:
        turn = live.live(what, HOW, url)
    counts = turn.counts
    assert counts["results"] == counts["acknowledged"] == counts["received"] > 0
    assert counts["events"] == counts["events received"] == counts["results"] // 2 > 0
    assert 0 < turn.frames < 1.25 * HOW.fps * turn.seconds, "half as many again, if events were counted, too"
    assert len(turn.ms["event"]) == len(turn.ms["event added"]) == len(turn.ms["event kept"]) > 0
    assert all(0 < added < whole for added, whole in zip(turn.ms["event added"], turn.ms["event"], strict=True))
    assert all(ms > 0 for ms in turn.ms["event kept"])
    assert not turn.notes
    said = outcomes.live({"live": [turn]}, HOW)
    for kind in KINDS:
        assert said.figures[f"{kind} p50"].n == len(turn.ms["event"])
        assert said.curves[kind].n == len(turn.ms["event"])


def test_something_begins_and_ends_in_turn_with_each_tenth_result() -> None:
    told_of: list[tuple[int, Event]] = []
    with Eventful() as events:
        for frame, result in results(4 * EVERY + 3):
            same, found = events(frame, result)
            assert same is result
            told_of += [(frame.number, event) for event in found]
        assert events.end("stopped") == ()
    assert [number for number, _ in told_of] == [EVERY - 1, 2 * EVERY - 1, 3 * EVERY - 1, 4 * EVERY - 1]
    assert [event.phase for _, event in told_of] == ["start", "end", "start", "end"]
    assert all((event.frame, event.captured_ns) == (number, 1000 * number) for number, event in told_of)
    first, second, third, _ = (event for _, event in told_of)
    assert first.id == second.id != third.id
    assert (second.started_at, second.duration_s, second.reason) == (first.captured_at, float(EVERY), "gone")


def test_what_was_heard_is_a_result_or_an_event_and_counts_once() -> None:
    result = {"frame": 7, "mono_ns": 50, "timings_ms": {"infer": 2.0}}
    event = {"id": "1", "phase": "start", "frame": 7, "mono_ns": 50}
    heard = read([
        (90, Message("edge/v1/bench/events/bench", envelope(2, event))),
        (95, Message("edge/v1/bench/results/bench", envelope(1, result))),
        (99, Message("edge/v1/bench/events/bench", envelope(2, event))),
    ])  # fmt: skip
    assert heard == [Heard(True, 7, 50, 90, {}), Heard(False, 7, 50, 95, {"infer": 2.0})]


@needs_broker
def test_a_subscriber_that_knows_how_many_there_are_waits_for_the_last() -> None:
    with local_broker() as url:
        command = [sys.executable, "-m", "edge_infer.tools.bench.listening", url, "bench"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.stdin.write(b"2\n")
            process.stdin.flush()
            with Subscriber(int(url.rpartition(":")[2])) as other:
                for number in (1, 2):
                    item = {"frame": number, "mono_ns": 1}
                    other.send("edge/v1/bench/events/bench", envelope(number, item))
            said, _ = process.communicate(timeout=20)
    assert [one.frame for one in msgspec.json.decode(said, type=list[Heard])] == [1, 2]


def test_events_have_percentiles_that_their_own_number_bears() -> None:
    found = summed_up(3.0, 4.0, 8.0).figures
    assert (found["samples"].value, found["event samples"].value) == (20, 3)
    for kind in KINDS:
        assert (found[f"{kind} p50"].value, found[f"{kind} p50"].n) == (4.0, 3)
        assert found[f"{kind} p90"].reason == "needs 64 samples, has 3"
    assert (found["p50"].value, found["added p50"].value) == (5.0, 1.0), "those of results are what they were"
    assert list(summed_up(3.0).stages_ms) == ["infer"]
    assert summed_up().figures["event p50"].value is None


def test_a_page_and_a_terminal_show_them() -> None:
    one = report(summed_up(*[4.0] * 63, 8.0))
    text, lines = page(one), told(one)
    assert text.count("event kept: share of 64 below") == 1
    for name in ("event p50", "event kept p50"):
        assert f"<span>{name}" in text
    assert any("event p90 ms" in line for line in lines)
    table = [line for line in lines if line.startswith(("live ", "&lt;model", "<model> "))]
    assert len(table) > 4, "it is told in parts"
    assert max(map(len, table)) <= LINE
