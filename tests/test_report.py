"""What the daemon says of itself, while its pipelines run and change."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from waiting import until

from edge_infer import config, report
from edge_infer.health.growth import Growth
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.pipelines import Pipelines
from edge_infer.report import Report
from edge_infer.settings import Settings
from edge_infer.starting import Starting

MODEL = Path(__file__).resolve().parents[1] / "models/face-detection"
CONFIGURATION = f"""version: 1
device: {{id: porch, state_dir: STATE}}
pipelines:
  door:
    source: {{kind: still, uri: {MODEL}/sample.jpg, fps: 50}}
    model: {{path: {MODEL}, device: cpu}}
"""

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return config.parse(CONFIGURATION.replace("STATE", str(tmp_path / "state")), Settings)


@pytest.fixture
def pipelines(settings: Settings) -> Pipelines:
    return Pipelines(settings.pipelines, lambda *_: None, lambda *_: None, lambda *_: None)


@pytest.fixture
def told(settings: Settings, pipelines: Pipelines) -> Iterator[Report]:
    """A report of pipelines that run."""
    made = Report(settings, pipelines, None, Growth(), Starting(()), Path("c.yaml"))
    made.start()
    pipelines.start()
    until(lambda: pipelines.results >= 5, what="results")
    yield made
    pipelines.stop()
    made.close()


def test_it_can_be_asked_before_anything_has_begun(settings: Settings, pipelines: Pipelines, tmp_path: Path) -> None:
    status = Report(settings, pipelines, None, Growth(), Starting(())).status()
    assert (status.state, status.config, status.state_dir) == ("online", None, str(tmp_path / "state"))
    assert status.health.pipelines["door"].results == 0
    assert status.health.machine.cpu_percent is status.health.machine.disk_bytes is None
    assert status.info.pipelines == {}


def test_it_says_what_is_wrong_until_it_is_not(told: Report, settings: Settings) -> None:
    told.turn(settings, {"door": "no frame for 5 s"})
    assert (told.status().state, told.status().reasons) == ("degraded", {"door": "no frame for 5 s"})
    told.turn(settings, {})
    assert (told.status().state, told.status().reasons) == ("online", {})
    assert told.status().info.pipelines["door"].model == "face-detection@1.0.0"


def test_a_main_loop_that_does_not_turn_is_stalled_until_it_does(
    told: Report, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "STALLED_S", 0.1)
    told.turn(settings, {"door": "no frame for 5 s"})
    until(lambda: told.status().state == "stalled", what="the hang to be noticed")
    assert (told.status().stalled_s or 0.0) >= 0.1
    monkeypatch.setattr(report, "STALLED_S", 60.0)
    assert (told.status().state, told.status().stalled_s) == ("degraded", None)


def test_who_asks_often_changes_nobodys_rates(told: Report) -> None:
    told.publish_health(10.0)
    for _ in range(20):
        told.status()
    assert told.status().health.pipelines["door"].stages_ms["total"].count >= 5  # since before the last report


def test_what_was_measured_long_enough_ago_is_where_rates_begin(
    told: Report, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RECENT_S", 0.0)
    before = pipelines.results
    told.publish_health(10.0)
    found = told.status().health.pipelines["door"]
    assert not found.stages_ms or found.stages_ms["total"].count <= found.results - before
    until(lambda: "total" in told.status().health.pipelines["door"].stages_ms, what="results of the new interval")


def test_a_pipeline_that_was_started_anew_counts_from_0(told: Report, settings: Settings, pipelines: Pipelines) -> None:
    told.publish_health(10.0)
    told.publish_health(10.0)
    door: PipelineSettings = msgspec.structs.replace(settings.pipelines["door"], max_frame_age_s=6.0)
    assert pipelines.change({"door": door})["restarted"] == ["door"]
    until(lambda: told.status().health.pipelines["door"].results, what="results of the new one")
    found = told.status().health.pipelines["door"]
    assert found.fps_in > 0.0
    assert all(stage.count > 0 for stage in found.stages_ms.values())


def test_how_long_stages_took_is_kept_for_prometheus(told: Report, pipelines: Pipelines) -> None:
    first = told.stages()["door"]["total"].total
    told.publish_health(10.0)
    until(lambda: told.stages()["door"]["total"].total > first, what="more")
    assert set(told.stages()["door"]) == {"capture", "wait", "prepare", "infer", "decode", "publish", "total"}


def test_the_machine_is_measured(told: Report) -> None:
    until(lambda: told.status().health.machine.cpu_percent is not None, what="the processor")
    until(lambda: told.status().health.machine.disk_bytes, what="the disk")
    machine = told.status().health.machine
    assert machine.cores
    assert machine.load
    assert machine.memory_bytes
