"""What systemd says of our service, and what it means."""

from pathlib import Path

import pytest
from machines import one

from edge_infer.settings import Settings, load_settings
from edge_infer.tools.doctor.service import UNIT, ask_systemd, judged, unit_of

# As `systemctl show` of Debian 12 answers.
RUNNING = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "ExecMainStatus": "0",
    "ExecMainCode": "0",
    "ProcSubset": "all",
}
FAILED = RUNNING | {"ActiveState": "failed", "SubState": "failed", "ExecMainCode": "1"}
RESTARTING = RUNNING | {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "41", "ExecMainCode": "1"}


def test_without_systemd_nothing_is_wrong() -> None:
    assert one(judged(UNIT, {}, None)).level == "skip"
    assert one(judged(UNIT, {"LoadState": "not-found"}, None)).level == "skip"


def test_systemd_is_asked_where_it_runs() -> None:
    unit = ask_systemd(UNIT)
    if not Path("/run/systemd/system").is_dir():
        assert unit == {}
    else:
        assert set(unit) == set(RUNNING)


def test_a_service_that_runs_is_in_order() -> None:
    finding = one(judged(UNIT, RUNNING, None))
    assert (finding.level, finding.detail) == ("ok", "active (running)")
    assert one(judged(UNIT, RUNNING | {"NRestarts": "1"}, None)).detail == "active (running), 1 restarts"


TROUBLES = {
    "configuration": (
        FAILED | {"Result": "exit-code", "ExecMainStatus": "78"},
        "fail",
        "failed (failed), its last end: exit-code, exit code 78",
        "edge-infer check",
    ),
    "watchdog": (
        RESTARTING | {"Result": "watchdog", "ExecMainCode": "3", "ExecMainStatus": "6"},
        "fail",
        "activating (auto-restart), its last end: watchdog, 41 restarts",
        "its log says why",
    ),
    "no device": (
        RESTARTING | {"Result": "exit-code", "ExecMainStatus": "69"},
        "fail",
        "exit code 69, 41 restarts",
        "device, file or broker",
    ),
    "restless": (RUNNING | {"NRestarts": "12"}, "warn", "active (running), but it was restarted 12 times", "its log"),
    "not started": (
        RUNNING | {"ActiveState": "inactive", "SubState": "dead"},
        "warn",
        "installed, but inactive (dead)",
        "start it",
    ),
    "not enabled": (RUNNING | {"UnitFileState": "disabled"}, "warn", "does not start with the machine", "enable it"),
}


@pytest.mark.parametrize(("unit", "level", "says", "fix"), TROUBLES.values(), ids=TROUBLES)
def test_a_service_in_trouble_is_told(unit: dict[str, str], level: str, says: str, fix: str) -> None:
    finding = one(judged(UNIT, unit, None))
    assert finding.level == level
    assert says in finding.detail
    assert fix in finding.fix
    assert finding.command


def test_a_sandbox_that_makes_it_slow_is_told() -> None:
    _, finding = judged(UNIT, RUNNING | {"ProcSubset": "pid"}, None)
    assert finding.level == "warn"
    assert "three to four times slower" in finding.detail


def test_what_its_sandbox_hides_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "version: 1\ndevice: {id: porch, state_dir: /var/lib/x}\npipelines:\n  door:\n    source: {kind: picamera}\n"
        "    model: {path: /home/pi/models/m.tflite}\n"
    )
    settings: Settings = load_settings(path)
    _, finding = judged(UNIT, RUNNING, settings)
    assert finding.level == "fail"
    assert "/home/pi/models/m.tflite lies in /home, which is hidden from it" in finding.detail


def test_one_of_several_daemons_has_a_unit_of_its_own() -> None:
    assert unit_of(None) == unit_of(Path("/etc/edge-infer/config.yaml")) == unit_of(Path("yard.yaml")) == UNIT
    assert unit_of(Path("/etc/edge-infer/yard.yaml")) == "edge-infer@yard.service"
