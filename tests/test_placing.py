"""Where models run: by what was measured of them, in time for all."""

from pathlib import Path

import pytest
from evidenced import FACES, costs, kept, pipeline, two_compiled
from fake_tpu import FakeTpu
from msgspec.structs import replace
from waiting import until

from edge_infer.assigning import assign
from edge_infer.evidence import read_evidence
from edge_infer.pipelines import Pipelines
from edge_infer.placing import choice, planned, task_of
from edge_infer.runtime.delegate import Accelerator
from edge_infer.sources.settings import ImagesSettings
from edge_infer.types import Result

USB, PCI = Accelerator("usb", "/sys/bus/usb/devices/1-1"), Accelerator("pci", "/dev/apex_0")
pytestmark = pytest.mark.usefixtures("plugged_in")


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", lambda: [USB, PCI])
    for module in ("assigning", "placing"):
        monkeypatch.setattr(f"edge_infer.{module}.cores", lambda: 4)


def test_models_that_evict_each_other_get_a_tpu_each(models: Path, tmp_path: Path) -> None:
    a, b = two_compiled(models, tmp_path)
    settings = {"a": pipeline(a, 30.0), "b": pipeline(b, 30.0), "c": pipeline(a, 5.0, device="edgetpu:usb:0")}
    kept(tmp_path, costs(60, 6, 5, 6_000_000, a), costs(60, 6, 5, 6_000_000, b))
    found = assign(settings, read_evidence(tmp_path))
    assert {name: one.device for name, one in found.items()} == {
        "a": "edgetpu:usb:0",
        "b": "edgetpu:pci:0",
        "c": "edgetpu:usb:0",
    }


def test_without_figures_of_one_of_them_all_is_as_before(models: Path, tmp_path: Path) -> None:
    a, b = two_compiled(models, tmp_path)
    settings = {"a": pipeline(a), "b": pipeline(b)}
    kept(tmp_path, costs(60, 6, 5, 1000, a))
    assert choice(settings, read_evidence(tmp_path)) is None
    assert {one.device for one in assign(settings, read_evidence(tmp_path)).values()} == {"auto"}


def test_the_cpu_gets_a_model_only_where_the_tpus_cannot_bear_all(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", lambda: [USB])
    a, b = two_compiled(models, tmp_path)
    kept(tmp_path, costs(8, 6, 5, 1000, a), costs(8, 6, 5, 1000, b))
    known = read_evidence(tmp_path)
    light = choice({"a": pipeline(a, 10.0), "b": pipeline(b, 10.0)}, known)
    assert light
    assert set(light.best().device_of.values()) == {"edgetpu:usb:0"}
    heavy = choice({"a": pipeline(a, 80.0), "b": pipeline(b, 80.0)}, known)
    assert heavy
    assert set(heavy.best().device_of.values()) == {"cpu", "edgetpu:usb:0"}
    assert heavy.best().late_ms == {}


def test_a_pipeline_that_cannot_be_in_time_is_named_with_how_late_it_is(models: Path, tmp_path: Path) -> None:
    a, _ = two_compiled(models, tmp_path)
    kept(tmp_path, costs(200, 60, 50, 1000, a))
    task = task_of("yard", pipeline(a, 30.0), read_evidence(tmp_path))
    assert task
    plan = planned([task], ["edgetpu:usb:0", "edgetpu:pci:0"])
    assert plan.device_of == {"yard": "edgetpu:pci:0"}
    assert plan.late_ms == {"yard": pytest.approx(50 - 1000 / 30)}
    slow = task_of("slow", replace(pipeline(a, None), max_frame_age_s=2.0), read_evidence(tmp_path))
    assert slow
    assert slow.deadline_ms == 2000


@pytest.mark.usefixtures("no_thread_is_left_behind")
def test_placed_models_run_where_the_plan_has_them(
    models: Path, tmp_path: Path, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "2")
    a, b = two_compiled(models, tmp_path)
    kept(tmp_path, costs(60, 6, 5, 6_000_000, a), costs(60, 6, 5, 6_000_000, b))
    pictures = ImagesSettings(uri=FACES / "sample.jpg")
    settings = {
        name: replace(pipeline(path, delegate=tpu.library), source=pictures) for name, path in (("a", a), ("b", b))
    }
    results: dict[str, Result] = {}
    pipelines = Pipelines(
        settings, lambda result, name: results.update({name: result}), *(lambda *_: None,) * 2, state_dir=tmp_path
    )
    pipelines.start()
    try:
        until(lambda: len(results) == 2)
    finally:
        pipelines.stop()
    assert {name: (result.status, result.device) for name, result in results.items()} == {
        "a": ("ok", pipelines.assigned["a"].device),
        "b": ("ok", pipelines.assigned["b"].device),
    }
    assert {result.device for result in results.values()} == {"edgetpu:usb:0", "edgetpu:pci:0"}
