"""What turns amount to."""

from dataclasses import replace

import pytest

from edge_infer.tools.bench import contenders
from edge_infer.tools.bench.energy import Recording, Sensor
from edge_infer.tools.bench.outcomes import live, side
from edge_infer.tools.bench.record import Outcome, Power, Settings
from edge_infer.tools.bench.run import with_energy
from edge_infer.tools.bench.turn import Turn

HOW = Settings(scenarios=("side",))


def turn(frames: int, seconds: float = 1.0, began: float = 0.0, **ms: list[float]) -> Turn:
    return Turn(frames, seconds, 0.5 * seconds, began, began + seconds, ms)


def test_ratios_are_those_of_each_round() -> None:
    """The machine was twice as slow in the second round: that tells nothing of the pipeline."""
    bare = [turn(100), turn(50), turn(100)]
    pipeline = [turn(98, busy=[5.0]), turn(48, busy=[6.0, 7.0]), turn(97, busy=[5.0])]
    loop = [turn(80), turn(40), turn(80)]
    said = side({"bare": bare, "pipeline": pipeline, "by hand": loop}, HOW)
    assert said.figures["pipeline/bare"].rounds == (0.98, 0.96, 0.97)
    assert said.figures["pipeline/bare"].value == 0.97
    assert said.figures["pipeline/by hand"].value == 1.2125
    assert said.figures["pipeline"].value == 97.0
    assert said.figures["pipeline CPU"].value == pytest.approx(500 / 97, abs=1e-3)
    assert said.figures["p95"].value == 5.0


def test_the_cpu_time_of_a_frame_is_told_by_thread() -> None:
    threads = contenders.by_role(
        {"infer:a:0": 1.0, "infer:a:1": 2.0, "MainThread": 5.0}, {"infer:a:0": 1.5, "infer:a:1": 2.1}
    )
    pipeline = [replace(turn(100, busy=[5.0]), threads_s=threads)]
    said = side({"bare": [turn(100)], "pipeline": pipeline, "by hand": [turn(80)]}, HOW)
    assert said.figures["CPU infer"].value == pytest.approx(6.0)
    assert {name for name in said.figures if name.startswith("CPU ")} == {"CPU infer"}


def test_what_was_dropped_in_any_round_is_summed_up() -> None:
    ms: dict[str, list[float]] = {"latency": [10.0, 12.0], "added": [2.0, 4.0], "infer": [8.0, 8.0]}
    first, second = ({"frames": 3, "received": 2, "dropped overrun": 1}, {"frames": 2, "received": 2})
    said = live({"live": [Turn(2, 1, 0, 0, 1, ms, counts) for counts in (first, second)]}, HOW)
    assert {name: said.figures[name].value for name in ("frames", "received", "dropped overrun", "samples")} == {
        "frames": 5,
        "received": 4,
        "dropped overrun": 1,
        "samples": 4,
    }
    assert said.figures["added p50"].value == 3.0
    assert said.figures["added p90"].reason == "needs 64 samples, has 4"
    assert list(said.stages_ms) == ["infer"]


def test_a_live_turn_that_nobody_heard_has_no_figures_but_says_so() -> None:
    said = live({"live": [Turn(0, 1, 0, 0, 1, {"latency": [], "added": []}, {"frames": 2})]}, HOW)
    assert said.figures["p50"].value is None
    assert said.curves == {}


def test_the_idle_machine_is_subtracted_and_less_than_nothing_is_no_energy() -> None:
    recording = Recording(Sensor("test", lambda: None, 1.0))
    for at, watts in enumerate((2.0, 2.0, 5.0, 5.0)):
        recording.add(float(at), watts)
    nothing = Outcome(scenario="single", about="")
    power = Power(method="test", idle_w=2.0, idle_s=1.0)
    busy = with_energy(nothing, [turn(10, began=2.0)], recording, power).figures
    assert (busy["power"].value, busy["energy"].value) == (5.0, pytest.approx(0.3))
    idle = with_energy(nothing, [turn(10, began=0.0)], recording, power).figures
    assert (idle["power"].value, idle["energy"].value) == (2.0, None)
    assert idle["energy"].reason == "the machine took no more than when it was idle"
    late = with_energy(nothing, [turn(10, began=9.0)], recording, power).figures
    assert (late["power"].value, late["power"].reason) == (None, "the sensor gave too few readings")
    assert with_energy(nothing, [turn(10)], None, Power(reason="no sensor")) == nothing
