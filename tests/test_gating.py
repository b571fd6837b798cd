"""Frames that are left out before they wait for a model, in a whole pipeline."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scripted import Harness, ScriptedModel, ScriptedSource, Step, frame
from waiting import until

from edge_infer.analyse.gate_settings import GateSettings, MotionGate, QuietGate, StrideGate
from edge_infer.errors import ModelError, UsageError
from edge_infer.gating import gate, load_of, make_gate
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.registry import load_model, source_settings
from edge_infer.streaming import stream
from edge_infer.types import Frame, Span
from edge_infer.wire.machine import MachineHealth, Throttling

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")

EMPTY = np.full((120, 160, 3), 90, np.uint8)
FPS = 10


def picture(number: int, x: int | None = None, *, media: bool = True) -> Frame:
    """A frame of a recording: an empty yard, or somebody in it at x."""
    data = EMPTY.copy()
    if x is not None:
        data[40:90, x : x + 20] = 200
    at_s = number / FPS
    return replace(frame(number), data=data, media_s=at_s if media else None)


def sound(number: int, amplitude: float) -> Frame:
    tone = amplitude * np.sin(np.arange(1600) / 5.0)
    span = Span(number * 1600, 1600, 16000.0, ("left",))
    return replace(frame(number), data=tone.astype(np.float32)[:, None], span=span, media_s=number / FPS)


def gated(steps: Iterable[Step], settings: GateSettings, *, live: bool = False) -> Harness:
    """What came of these in a pipeline with such gates."""
    harness = Harness(ScriptedSource(steps, live=live))
    harness.pipeline.intake.gate = make_gate(settings)
    return harness


def test_pictures_without_motion_are_left_out_and_counted_and_results_say_so() -> None:
    steps = [picture(i, x=2 * (i - 60) if 60 <= i < 80 else None) for i in range(200)]
    harness = gated(steps, GateSettings(motion=MotionGate(hold_s=1.0, at_least_s=4.0))).run()
    moved = [number for number in harness.numbers if 60 <= number < 80]
    assert moved == list(range(60, 80))
    assert [number for number in harness.numbers if number < 60] == [*range(11), 50]  # the first may show it
    assert harness.drops["motion"] == 200 - len(harness.published) > 80
    told = sum(result.dropped.get("motion", 0) for result in harness.published)
    assert told + harness.pipeline.intake.unreported_drops().get("motion", 0) == harness.drops["motion"]
    assert told >= 39  # those before the 50th; the source may be ahead of the model
    assert harness.pipeline.health().dropped == dict(harness.drops)


def test_silence_is_left_out_and_what_follows_a_noise_is_heard() -> None:
    steps = [sound(i, 0.1 if i == 50 else 1e-5) for i in range(100)]
    settings = GateSettings(quiet=QuietGate(min_dbfs=-40.0, hold_s=0.5, at_least_s=3.0))
    harness = gated(steps, settings).run()
    assert harness.numbers == [0, 30, 50, 51, 52, 53, 54, 55, 85]
    assert harness.drops == {"quiet": 91}


def test_gates_of_the_other_kind_let_frames_pass() -> None:
    assert gated([sound(i, 0.0) for i in range(5)], GateSettings(motion=MotionGate())).run().numbers == list(range(5))
    assert gated([picture(i) for i in range(5)], GateSettings(quiet=QuietGate())).run().numbers == list(range(5))


def test_a_frame_that_no_model_takes_passes_and_the_model_says_why() -> None:
    odd = replace(picture(1), data=np.zeros((4, 4, 7), np.uint8))
    assert gated([picture(0), odd], GateSettings(motion=MotionGate())).run().numbers == [0, 1]


def test_a_stride_comes_before_the_other_gates() -> None:
    settings = GateSettings(stride=StrideGate(every=4), motion=MotionGate(hold_s=0.0, at_least_s=1.0))
    harness = gated([picture(i) for i in range(40)], settings).run()
    assert harness.numbers == [0, 12, 24, 36]
    assert harness.drops == {"stride": 30, "motion": 6}


def test_without_gates_there_is_none() -> None:
    assert make_gate(GateSettings()) is None


@pytest.mark.parametrize(
    ("machine", "cause"),
    [
        (MachineHealth(cpu_percent=99.0), "busy"),
        (MachineHealth(load=(3.9, 1.0, 1.0), cores=4), "busy"),
        (MachineHealth(cpu_percent=99.0, temperature_c=85.0), "hot"),
        (MachineHealth(throttling=Throttling(now=("throttled",), since_boot=None)), "hot"),
        (MachineHealth(throttling=Throttling(now=("under_voltage",), since_boot=None)), ""),
        (MachineHealth(cpu_percent=50.0, temperature_c=60.0), ""),
        (MachineHealth(), ""),
    ],
)
def test_a_machine_that_is_strained_looks_at_fewer_live_frames(machine: MachineHealth, cause: str) -> None:
    stride = gate(stride={"max_load": 0.9, "max_temp_c": 80.0})
    stride.feel(machine)
    assert {stride(picture(i), live=True) for i in range(8)} == ({"", cause} if cause else {""})
    assert {stride(picture(i), live=False) for i in range(8)} == {""}


def test_the_load_is_that_of_the_processor_or_else_of_the_last_minute() -> None:
    assert load_of(MachineHealth(cpu_percent=50.0, load=(4.0, 4.0, 4.0), cores=2)) == 0.5
    assert load_of(MachineHealth(load=(1.0, 4.0, 4.0), cores=2)) == 0.5
    assert load_of(MachineHealth()) is None


def endless(end: threading.Event) -> Iterable[Step]:
    for number in range(1_000_000):
        if end.is_set():
            return
        yield picture(number, media=False)
        yield lambda: end.wait(0.01)


def test_a_closed_gate_is_no_lost_camera_and_no_thread_that_hangs() -> None:
    end = threading.Event()
    harness = Harness(ScriptedSource(endless(end), live=True), max_frame_age_s=0.3)
    harness.pipeline.intake.gate = make_gate(GateSettings(motion=MotionGate(hold_s=0.0, at_least_s=3600.0)))
    harness.pipeline.start()
    until(lambda: harness.drops["motion"] > 60, what="60 frames without motion")  # 0.6 s and more
    assert harness.pipeline.state == "running"
    assert harness.pipeline.trouble() is None
    assert len(harness.published) == 1
    end.set()
    harness.stop()
    harness.assert_counts_add_up()


def test_a_stream_may_be_gated_and_is_not_lost_while_the_gate_is_closed() -> None:
    end = threading.Event()
    source = ScriptedSource(endless(end), live=True)
    closed = gate(motion={"hold_s": 0.0, "at_least_s": 0.8})
    began = time.monotonic()
    results = []
    for result in stream(source, ScriptedModel(), max_frame_age_s=0.4, gate=closed):  # type: ignore[arg-type]
        results.append(result)
        if len(results) == 2:
            end.set()
    assert time.monotonic() - began > 0.4
    assert results[1].dropped["motion"] > 10


def test_silence_is_nothing_that_a_model_of_pictures_can_use(models: Path) -> None:
    settings = PipelineSettings(
        source=source_settings("a.png", "still"),
        model=ModelSettings(path=models / "mobilenet_v1_0.25_128_quant.tflite"),
        gates=GateSettings(quiet=QuietGate()),
    )
    with pytest.raises(ModelError, match=r"takes no sound: gates\.quiet is for that"):
        load_model(settings)


def test_motion_is_nothing_that_a_model_of_sound_can_use(models: Path) -> None:
    settings = PipelineSettings(
        source=source_settings("a.png", "still"),
        model=ModelSettings(path=models / "yamnet_audio_classifier_with_metadata.tflite"),
        gates=GateSettings(motion=MotionGate()),
    )
    with pytest.raises(ModelError, match=r"takes no pictures: gates\.motion is for those"):
        load_model(settings)


def test_an_option_that_no_gate_has_is_named() -> None:
    with pytest.raises(UsageError, match=r"an option of the gate is wrong: .*treshold"):
        gate(motion={"treshold": 3})
