"""`edge-infer doctor`, the real command: a healthy device, a broken one, one whose daemon runs."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broker import Mosquitto
from command import REPOSITORY, Daemon, run

Configure = Callable[..., Path]
FACES = REPOSITORY / "models/face-detection"
CRASH = "#include <signal.h>\nvoid *tflite_plugin_create_delegate(void) { raise(SIGSEGV); return 0; }\n"
CORAL = "mobilenet_v1_0.25_128_quant_edgetpu.tflite"


def doctor(*arguments: str | Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and the finding of each thing that was looked at; the worst of it, where there are several."""
    done = run("doctor", "--json", *arguments)
    assert done.stderr == ""
    findings: dict[str, dict[str, Any]] = {}
    for line in done.stdout.splitlines():
        finding = json.loads(line)
        if findings.get(finding["what"], {}).get("level") not in ("warn", "fail"):
            findings[finding["what"]] = finding
    return done.returncode, findings


def test_a_healthy_device(tmp_path: Path, configure: Configure, mosquitto: Mosquitto) -> None:
    config = configure(f"mqtt: {{url: '{mosquitto.url}'}}")
    config.write_text(config.read_text().replace("device: cpu}", f"device: cpu}}\n  faces: {faces()}"))
    code, found = doctor("--config", config)
    assert code == 0
    assert {finding["what"] for finding in found.values() if finding["level"] == "fail"} == set()
    wanted = ["configuration", "python", "packages", "runtime", "cpu", "broker", "broker rights", "source of door"]
    assert [found[what]["level"] for what in [*wanted, "model of door", "model of faces"]] == ["ok"] * 10
    assert "golden test passed" in found["model of faces"]["detail"]
    assert "ms a frame" in found["model of door"]["detail"]
    assert not (tmp_path / "state").exists(), "no epoch is used up"


def faces() -> str:
    return f"{{source: {{kind: images, uri: {FACES / 'sample.jpg'}}}, model: {{path: {FACES}, device: cpu}}}}"


def test_a_person_sees_it_at_a_glance(tmp_path: Path, configure: Configure) -> None:
    done = run("doctor", "--config", configure("mqtt: {url: 'mqtt://127.0.0.1:1'}"), cwd=tmp_path)
    assert done.returncode == 69
    assert "FAIL broker          cannot reach the broker mqtt://127.0.0.1:1: Connection" in done.stdout
    assert "\n     fix: see that the broker runs, and on this port" in done.stdout
    assert "\n     $ systemctl status mosquitto\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("not healthy: ")
    assert len(done.stdout.splitlines()) <= 45


@pytest.mark.parametrize(
    ("change", "code", "failed"),
    [
        (("uri: /", "uri: /nowhere/"), 69, "source of door"),
        (("device: cpu}", "device: cpu}\n    decode: {allow: [unicorn]}"), 65, "model of door"),
        (("version: 1", "version: 2"), 78, "configuration"),
    ],
)
def test_the_exit_code_is_that_of_the_first_thing_that_fails(
    configure: Configure, change: tuple[str, str], code: int, failed: str
) -> None:
    config = configure()
    config.write_text(config.read_text().replace(*change))
    ended, found = doctor("--config", config)
    assert ended == code
    assert found[failed]["level"] == "fail"
    assert found[failed]["exit_code"] == code
    assert found[failed]["fix"]


def test_the_daemon_that_runs_keeps_what_it_has(tmp_path: Path, configure: Configure, mosquitto: Mosquitto) -> None:
    still = configure(f"mqtt: {{url: '{mosquitto.url}'}}")
    camera = tmp_path / "camera.yaml"
    camera.write_text(
        still.read_text().replace("pipelines:", "pipelines:\n  cam: {source: {kind: picamera}, model: {path: m}}")
    )
    with Daemon(tmp_path, "--config", still) as daemon:
        daemon.says("started")
        code, found = doctor("--config", camera)
    assert "the daemon that runs has it" in found["source of cam"]["detail"]
    assert found["source of door"]["level"] == "ok", "a file can be read by two"
    assert "device id" not in found, "it is our own daemon that is online"
    assert f"'porch' runs (pid {daemon.process.pid})" in found["daemon"]["detail"]
    assert code == 69, "picamera2 is not installed, and there is no model m"


def test_a_daemon_that_hangs_is_told(tmp_path: Path, configure: Configure) -> None:
    config = configure()
    with Daemon(tmp_path, "--config", config, "--stdout") as daemon:
        daemon.says("started")
        daemon.signal(signal.SIGSTOP)
        code, found = doctor("--config", config)
    assert (code, found["daemon"]["level"], found["daemon"]["exit_code"]) == (75, "fail", 75)
    assert "gave no answer" in found["daemon"]["detail"]


def test_a_model_whose_accelerator_crashes_is_a_diagnosis(tmp_path: Path, models: Path) -> None:
    """The doctor goes on, and says with what it crashed."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (tmp_path / "crash.c").write_text(CRASH)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "crash.so", tmp_path / "crash.c"], check=True)
    (tmp_path / "config.yaml").write_text(
        f"version: 1\ndevice: {{id: porch, state_dir: state}}\npipelines:\n  door:\n"
        f"    source: {{kind: images, uri: {FACES / 'sample.jpg'}}}\n"
        f"    model: {{path: {models / CORAL}, device: edgetpu, delegate: {tmp_path / 'crash.so'}}}\n"
    )
    code, found = doctor("--config", tmp_path / "config.yaml")
    assert code == 69
    assert (found["model of door"]["level"], found["source of door"]["level"]) == ("fail", "ok")
    assert "SIGSEGV" in found["model of door"]["detail"]
    assert found["edge tpu"]["detail"] == "a model is made for one, and the system shows none"


@pytest.mark.parametrize(
    ("package", "act", "what", "says"),
    [
        ("numpy", "import os; os.kill(os.getpid(), 11)", "runtime", "numpy: it crashed (SIGSEGV)"),
        ("msgspec", "raise ImportError('torn')", "configuration", "a package is missing or damaged: torn"),
        ("paho", "raise ImportError('torn')", "broker", "a package is missing or damaged: torn"),
    ],
)
def test_a_damaged_package_keeps_nothing_else_from_being_looked_at(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch, package: str, act: str, what: str, says: str
) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / f"{package}.py").write_text(act)
    monkeypatch.setattr("command.REPOSITORY", f"{tmp_path / 'shadow'}:{REPOSITORY}")
    code, found = doctor("--config", configure("mqtt: {url: 'mqtt://127.0.0.1:1'}"))
    assert code == 69
    assert found[what]["level"] == "fail"
    assert says in found[what]["detail"]
    assert "pip install --force-reinstall" in found[what]["command"]
    assert (found["machine"]["level"], found["cpu"]["level"]) == ("ok", "ok")


def test_without_a_configuration_the_machine_is_looked_at(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    if Path("/etc/edge-infer/config.yaml").exists():
        pytest.skip("this machine has a configuration")
    assert done.returncode in (0, 69)
    assert done.stdout.startswith("-    configuration   none: broker, models and sources are not tried\n")
    assert "ok   runtime " in done.stdout
