"""`edge-infer tune`: what it measures, what it keeps, and what becomes of it; how fast is not asserted here."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_tpu import FakeTpu
from statuses import a_status

from edge_infer.assigning import assign
from edge_infer.cli.main import main
from edge_infer.evidence import FILE, read_evidence
from edge_infer.health.status_socket import StatusSocket
from edge_infer.runtime.delegate import Accelerator
from edge_infer.settings import load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
FACES = REPOSITORY / "models/face-detection"
ACTIVITY = REPOSITORY / "models/activity"
QUICK = ("--seconds", "0.02", "--rounds", "1")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr("edge_infer.tools.daemons.RUNTIME", ())
    for module in ("evidence", "assigning", "sharing", "placing", "tools.tune.tune"):
        monkeypatch.setattr(f"edge_infer.{module}.cores", lambda: 2)
    return tmp_path / "state"


def tuned(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> Any:
    assert main(["tune", "--json", *map(str, arguments)]) == code
    return json.loads(capsys.readouterr().out)


def config(folder: Path, *lines: str) -> Path:
    path = folder / "edge-infer.yaml"
    path.write_text(
        "\n".join(["version: 1", f"device: {{id: porch, state_dir: {folder / 'state'}}}", "pipelines:", *lines])
    )
    return path


def still(name: str, model: Path, **more: object) -> str:
    source = {"kind": "still", "uri": str(FACES / "sample.jpg"), "size": [320, 240], "fps": 100}
    return f"  {name}: {json.dumps({'source': source, 'model': {'path': str(model)}, **more})}"


def test_a_model_is_measured_in_all_settings_and_the_best_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    document = tuned(capsys, *QUICK, FACES)
    (model,) = document["models"]
    (file,) = model["files"].values()
    settings = [(point["device"], point["threads"], point["workers"]) for point in file["points"]]
    assert settings == [("cpu", 1, 1), ("cpu", 1, 2), ("cpu", 2, 1)]
    for point in file["points"]:
        assert 0 < point["p50_ms"] <= point["p90_ms"]
        assert point["frames"] > 0 < point["fps"]
    assert model["best"]["latency"]["point"]["workers"] == 1
    assert model["best"]["throughput"]["why"]
    assert (model["known"], model["complete"], document["written"]) == (False, True, None)


def test_what_was_kept_is_told_and_not_measured_again_unless_asked(
    capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    first = tuned(capsys, *QUICK, FACES, "--write")
    assert first["written"] == str(state / FILE)
    again = tuned(capsys, *QUICK, FACES)
    assert again["models"][0]["known"] is True
    assert again["models"][0]["files"] == first["models"][0]["files"]
    anew = tuned(capsys, *QUICK, FACES, "--again")
    assert anew["models"][0]["known"] is False
    assert main(["tune", str(FACES)]) == 0
    shown = capsys.readouterr().out
    assert "seconds ago (--again measures anew)" in shown
    assert "latency: " in shown
    assert "throughput: " in shown


def test_a_configuration_is_measured_beside_its_sources_and_auto_goes_by_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: Path
) -> None:
    path = config(tmp_path, still("door", FACES), still("same", FACES), still("bulk", ACTIVITY / "none.tflite"))
    path.write_text(path.read_text().rpartition("\n")[0])
    document = tuned(capsys, *QUICK, "--config", path, "--write")
    (model,) = document["models"]
    (file,) = model["files"].values()
    assert model["name"] == "door"
    assert file["shown"] == "320x240 pictures of still"
    assert file["source_fps"] > 0
    settings = load_settings(path)
    found = assign(settings.pipelines, read_evidence(state))
    best = model["best"]["latency"]["point"]
    assert all(one.point and one.because for one in found.values())
    assert (found["door"].threads, found["door"].workers) in {(best["threads"], 1), (1, 1)}
    assert main(["tune", "--config", str(path), "--plan"]) == 0
    plan = capsys.readouterr().out.splitlines()
    assert plan[0].split()[:2] == ["pipeline", "device"]
    assert [line.split()[:3] for line in plan[1:3]] == [["door", "cpu", "100.0"], ["same", "cpu", "100.0"]]
    assert plan[3].startswith("cpu: ")


def test_a_source_that_is_not_there_is_replaced_by_noise(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    door = {"source": {"kind": "camera", "uri": "/dev/video99"}, "model": {"path": str(FACES), "threads": 1}}
    document = tuned(capsys, *QUICK, "--config", config(tmp_path, f"  door: {json.dumps(door)}"))
    (file,) = document["models"][0]["files"].values()
    assert file["shown"].startswith("640x480 pictures of noise, since its source cannot be opened (")


def test_a_model_of_readings_is_shown_windows(capsys: pytest.CaptureFixture[str]) -> None:
    (model,) = tuned(capsys, *QUICK, ACTIVITY)["models"]
    (file,) = model["files"].values()
    assert file["shown"].startswith("windows of ")


def test_a_plan_needs_figures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = config(tmp_path, still("door", FACES))
    assert main(["tune", "--config", str(path), "--plan"]) == 69
    assert "nothing was measured yet: `edge-infer tune --write` does it" in capsys.readouterr().err


def test_models_and_a_configuration_exclude_each_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["tune", str(FACES), "--plan"]) == 64
    assert main(["tune", str(FACES), "--config", str(tmp_path / "x")]) == 64
    assert "give either models, or the configuration" in capsys.readouterr().err


def test_accelerators_are_measured_and_nothing_stands_in(
    capsys: pytest.CaptureFixture[str],
    models: Path,
    tpu: FakeTpu,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [Accelerator("usb", "/sys/bus/usb/devices/1-1"), Accelerator("usb", "/sys/bus/usb/devices/1-2")]
    monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", lambda: found)
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "2")
    monkeypatch.setenv("FAKE_EDGETPU_US", "2000")
    for name in ("mobilenet_v1_0.25_128_quant", "mobilenet_v1_0.25_128_quant_edgetpu"):
        (tmp_path / f"{name}.tflite").symlink_to(models / f"{name}.tflite")
    model = tmp_path / "mobilenet_v1_0.25_128_quant.tflite"
    (told,) = tuned(capsys, "--seconds", "0.05", "--rounds", "1", "--delegate", tpu.library, model)["models"]
    on_cpu, compiled = (file["points"] for file in told["files"].values())
    assert {point["device"] for point in on_cpu} == {"cpu"}
    assert [(point["device"], point["accelerators"], point["workers"]) for point in compiled] == [
        ("edgetpu:usb", 1, 1),
        ("edgetpu:usb", 2, 2),
    ]
    assert compiled[0]["infer_p90_ms"] > 2
    tpu.unplug()
    (told,) = tuned(capsys, *QUICK, "--device", "edgetpu:usb:0", "--delegate", tpu.library, model, code=69)["models"]
    assert "does not start" in told["left_out"]["edgetpu:usb, 1 threads, 1 workers"]


def test_an_interrupt_ends_it_with_what_there_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_infer", "tune", "--json", "--seconds", "0.2", "--rounds", "1000", str(FACES)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stderr
        assert "^C ends it" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    (model,) = json.loads(out)["models"]
    assert model["complete"] is False
    assert read_evidence() == {}


def test_beside_a_daemon_it_refuses_unless_it_is_told_to(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    socket = StatusSocket(state, lambda: msgspec.json.encode(a_status()))
    socket.start()
    try:
        assert main(["tune", *QUICK, str(ACTIVITY)]) == 75
        assert "a daemon runs on this machine ('porch')" in capsys.readouterr().err
        assert main(["tune", *QUICK, str(ACTIVITY), "--anyway"]) == 0
    finally:
        socket.close()
