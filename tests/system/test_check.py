"""`edge-infer check`: what works, what does not, and the exit code of the first that does not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from broker import Mosquitto
from command import run

Configure = Callable[..., Path]
NO_BROKER = "mqtt: {url: 'mqtt://127.0.0.1:1'}"


def test_everything_works(tmp_path: Path, configure: Configure, mosquitto: Mosquitto) -> None:
    config = configure(f"mqtt: {{url: '{mosquitto.url}'}}\nfile: {{path: results.jsonl}}")
    done = run("check", "--config", config, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert [line[:4].strip() for line in done.stdout.splitlines()] == ["ok"] * 5
    assert not (tmp_path / "results.jsonl").exists()


def test_a_check_leaves_the_device_that_runs_alone(tmp_path: Path, configure: Configure, mosquitto: Mosquitto) -> None:
    config = configure(f"mqtt: {{url: '{mosquitto.url}'}}")
    done = run("check", "--config", config, "--json", cwd=tmp_path)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {finding["what"]: finding["ok"] for finding in findings} == {
        "model of door": True,
        "source of door": True,
        "broker": True,
        "outbox": True,
    }
    assert not (tmp_path / "state").exists(), "no epoch is used up"


@pytest.mark.parametrize(
    ("change", "code", "failed"),
    [
        (("", ""), 69, ["broker"]),
        (("path: /", "path: /nowhere/"), 69, ["model of door", "broker"]),
        (("uri: /", "uri: /nowhere/"), 69, ["source of door", "broker"]),
        (("uri: /", "uri: /dev/null#"), 69, ["source of door", "broker"]),
        (("device: cpu}", "device: cpu}\n    decode: {allow: [unicorn]}"), 65, ["model of door", "broker"]),
        (("mqtt://127.0.0.1:1", "mqtts://127.0.0.1:1"), 69, ["broker"]),
    ],
)
def test_the_exit_code_is_that_of_the_first_thing_that_fails(
    tmp_path: Path, configure: Configure, change: tuple[str, str], code: int, failed: list[str]
) -> None:
    config = configure(NO_BROKER)
    config.write_text(config.read_text().replace(*change))
    done = run("check", "--config", config, "--json", cwd=tmp_path)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert [finding["what"] for finding in findings if not finding["ok"]] == failed
    assert done.returncode == code
    assert done.stderr == ""


def test_a_folder_in_which_no_result_can_wait_is_said(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto
) -> None:
    config = configure(f"mqtt: {{url: '{mosquitto.url}'}}\noutbox: {{min_free_bytes: {10**18}}}")
    done = run("check", "--config", config, cwd=tmp_path)
    assert done.returncode == 69
    assert "less than outbox.min_free_bytes" in done.stdout
    (tmp_path / "state").write_text("a file where the folder should be")
    done = run("check", "--config", config, cwd=tmp_path)
    assert done.returncode == 69
    assert "results could wait in RAM only" in done.stdout


def test_a_picture_that_is_damaged_is_bad_input(tmp_path: Path, configure: Configure) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    config = configure("", door=f"{{kind: images, uri: {tmp_path / 'torn.png'}}}")
    done = run("check", "--config", config, cwd=tmp_path)
    assert done.returncode == 65
    assert "FAIL  source of door: " in done.stdout


def test_a_wrong_configuration_is_78(tmp_path: Path, configure: Configure) -> None:
    config = configure("mqtt: {}")
    done = run("check", "--config", config, cwd=tmp_path)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.startswith(f"edge-infer: {config}:4:7: ")
