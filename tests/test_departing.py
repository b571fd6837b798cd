"""A pipeline that is slower than it was measured, and a machine that is throttled, are told of."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from evidenced import FACES_FILE, POINT, evidence, kept, pipeline, point
from msgspec.structs import replace
from scripted import ScriptedModel

from edge_infer.assigning import Assigned
from edge_infer.departing import Departing
from edge_infer.model import Model
from edge_infer.pipelines import Pipelines
from edge_infer.wire.machine import MachineHealth, Throttling


def test_inference_that_has_become_slower_than_it_was_measured_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, {FACES_FILE: evidence(point(1, 1, 9.0, 100))})
    pipelines = Pipelines({"door": pipeline()}, *(lambda *_: None,) * 3, state_dir=tmp_path)
    (door,) = pipelines
    door._infer[0].model = cast(Model, ScriptedModel())
    monkeypatch.setattr(ScriptedModel, "device", "cpu")
    calm = MachineHealth()
    pipelines.feel(calm)

    def frames(count: int, ms: float) -> list[str]:
        caplog.clear()
        for value in np.full(count, ms):
            door._times.add({"infer": float(value)})
        pipelines.feel(calm)
        return [record.message for record in caplog.records if "slower than it was measured" in record.message]

    assert POINT.infer_p90_ms == 4.5
    assert frames(100, 5.0) == []
    assert frames(10, 50.0) == []
    assert len(frames(90, 50.0)) == 1
    assert frames(100, 50.0) == []
    assert frames(100, 5.0) == []
    assert len(frames(100, 7.0)) == 1
    assert frames(100, 5.0) == []
    monkeypatch.setattr(ScriptedModel, "device", "edgetpu:usb:0")  # not what was measured
    assert frames(100, 50.0) == []
    monkeypatch.setattr(ScriptedModel, "device", "cpu")
    monkeypatch.setattr("edge_infer.departing.cores", lambda: 0.5)  # two want the same core
    assert frames(100, 8.0) == []


def test_on_a_shared_accelerator_the_turns_of_the_others_are_no_slowness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tpu = "edgetpu:usb:0"
    assigned = {
        name: Assigned(tpu, 1, 1, replace(POINT, device="edgetpu:usb", infer_p90_ms=ms), swap_ms=swap)
        for name, ms, swap in (("door", 4.0, 1.0), ("yard", 10.0, 5.0))
    }
    pipelines = Pipelines({"door": pipeline(), "yard": pipeline()}, *(lambda *_: None,) * 3, state_dir=tmp_path)
    monkeypatch.setattr(ScriptedModel, "device", tpu)
    door, yard = pipelines
    for one in pipelines:
        one._infer[0].model = cast(Model, ScriptedModel())
    departing = Departing()
    departing.look([door, yard], assigned, MachineHealth())
    for ms in (30.0, 10.0, 50.0):
        for _ in range(64):
            door._times.add({"infer": ms})
        departing.look([door, yard], assigned, MachineHealth())
    pace = departing.paces()["door"]
    assert pace.measured_ms == 4.0 + 1.0 + 10.0 + 5.0
    assert pace.slower == pytest.approx(30.0 / 20.0, rel=0.05)
    assert departing.paces() == {}
    for count, seen in ((64, set[str]()), (64, {"door"})):  # the first of them before it moves, or at that moment
        departing.forget({"door"} - seen)
        for _ in range(count):
            door._times.add({"infer": 10.0})
        departing.look([door, yard], assigned, MachineHealth())
        assert set(departing.paces()) == seen


def test_throttling_is_told_where_figures_are_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept(tmp_path, {FACES_FILE: evidence(point(1, 1, 9.0, 100))})
    hot = MachineHealth(throttling=Throttling(now=("throttled",), since_boot=None))
    for folder, expected in ((tmp_path / "other", 0), (tmp_path, 1)):
        pipelines = Pipelines({"door": pipeline()}, *(lambda *_: None,) * 3, state_dir=folder)
        caplog.clear()
        pipelines.feel(hot)
        pipelines.feel(hot)
        assert len([record for record in caplog.records if "throttling" in record.message]) == expected
