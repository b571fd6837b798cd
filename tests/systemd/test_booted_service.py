"""The service under a real systemd: started, watched, started anew, told apart, taken away."""

import json
from collections.abc import Iterator

import pytest
from booted import EDGE_INFER, Booted
from service import PASSWORD, START_S, UNIT, Service
from waiting import until

EXPOSURE = 15  # tenths, as `systemd-analyze security` sees the running service


@pytest.fixture(scope="module")
def service(booted: Booted) -> Service:
    return Service(booted)


@pytest.fixture
def running(service: Service) -> Iterator[Service]:
    service.running()
    yield service
    print(service.journal()[-5000:])


def test_it_starts_ready_and_its_results_arrive(running: Service) -> None:
    assert running.show("Type") == "notify"
    [envelope] = running.heard("edge/v1/porch/results/door")
    assert envelope["results"][0]["status"] == "ok"


def test_its_user_lives_as_long_as_it_and_owns_the_state(running: Service) -> None:
    owner = running.system.run("stat", "--format=%u %a", "/var/lib/private/edge-infer").split()
    assert 61184 <= int(owner[0]) <= 65519  # Source: systemd's range of dynamic users
    assert owner[1] == "700"
    running.heard("edge/v1/porch/results/door")
    status = running.system.path(f"/proc/{running.pid()}/status").read_text()
    assert f"Uid:\t{owner[0]}\t" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_its_password_is_where_nobody_else_can_read_it(running: Service) -> None:
    listed = running.system.run(
        "stat", "--format=%U %a", "/etc/edge-infer/credentials", "/etc/edge-infer/credentials/mqtt.pw"
    )
    assert listed.split() == ["root", "700", "root", "600"]
    environment = running.system.path(f"/proc/{running.pid()}/environ").read_text()
    assert "CREDENTIALS_DIRECTORY=" in environment
    assert PASSWORD not in environment
    assert PASSWORD not in running.journal()


def test_a_reload_reads_the_configuration_again_in_the_same_process(running: Service) -> None:
    pid, cursor = running.pid(), running.cursor()
    running.configure(fps=5)
    running.system.run("systemctl", "reload", UNIT)
    running.says("the configuration was read again", since=cursor)
    assert running.pid() == pid
    assert running.is_active()


def test_a_killed_daemon_is_back(running: Service) -> None:
    pid, restarts = running.pid(), int(running.show("NRestarts"))
    running.system.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", UNIT)
    running.comes_back(pid)
    assert int(running.show("NRestarts")) == restarts + 1
    running.heard("edge/v1/porch/results/door")


def test_a_frozen_daemon_is_shot_tells_where_it_was_and_is_back(running: Service) -> None:
    running.drop_in(UNIT, "[Service]\nWatchdogSec=3\n")
    running.system.run("systemctl", "restart", UNIT)
    pid, cursor = running.pid(), running.cursor()
    running.system.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", UNIT)
    running.comes_back(pid)
    running.says("Watchdog timeout", since=cursor)
    running.says(r"signal SIGQUIT", since=cursor)
    running.says(r"Thread infer:door, most recent call last:\n +File ", since=cursor)
    running.says(r"Thread MainThread, most recent call last:\n +File ", since=cursor)
    running.says(r"Main process exited, code=exited, status=75", since=cursor)
    running.heard("edge/v1/porch/results/door")


def test_a_wrong_configuration_is_said_once_and_not_tried_again(running: Service) -> None:
    running.configure(more="colour: red\n")
    cursor = running.cursor()
    running.system.run("systemctl", "restart", UNIT, fails=True)
    assert running.show("ActiveState") == "failed"
    assert running.show("ExecMainStatus") == "78"
    assert running.show("NRestarts") == "0"
    running.says(r"config\.yaml:\d+:1: unknown key 'colour'", since=cursor)
    said = running.system.run(EDGE_INFER, "install", fails=True)
    assert "unknown key 'colour'" in said


def test_a_model_that_is_not_there_is_tried_again_until_it_is(running: Service) -> None:
    config, cursor = running.system.path("/etc/edge-infer/config.yaml"), running.cursor()
    text = config.read_text()
    config.write_text(text.replace("path: /opt/clone/models/face-detection", "path: /var/lib/edge-infer/later"))
    running.system.run("systemctl", "--no-block", "restart", UNIT)
    running.says("status=69", since=cursor)
    config.write_text(text)
    until(running.is_active, START_S, "the service")
    assert int(running.show("NRestarts")) >= 1


def test_a_model_in_a_home_is_refused_before_the_start(running: Service) -> None:
    config = running.system.path("/etc/edge-infer/config.yaml")
    config.write_text(config.read_text().replace("path: /opt/clone/models/face-detection", "path: /home/pi/face"))
    said = running.system.run(EDGE_INFER, "install", fails=True)
    assert "/home/pi/face lies in /home, which is hidden from it" in said


def test_the_exit_code_of_a_restart_starts_it_anew(running: Service) -> None:
    pid = running.pid()
    running.heard("edge/v1/porch/results/door")
    running.tell("edge/v1/porch/cmd/restart", '{"id": "1"}')
    running.comes_back(pid)
    assert running.show("ExecMainStatus") == "0"
    running.says("status=75")


def test_logs_arrive_with_their_priority(running: Service) -> None:
    running.system.run("systemctl", "stop", "mosquitto.service")
    try:
        until(lambda: "4" in priorities(running).values(), START_S, "a warning in the journal")
    finally:
        running.system.run("systemctl", "start", "mosquitto.service")
    by_message = priorities(running)
    assert by_message["started device=porch pipelines=1"] == "6"
    running.configure(more="colour: red\n")
    running.system.run("systemctl", "restart", UNIT, fails=True)
    until(lambda: [p for m, p in priorities(running).items() if "unknown key" in m] == ["3"], START_S, "the error")


def priorities(service: Service) -> dict[str, str]:
    lines = service.system.run("journalctl", "--output=json", "--identifier=edge-infer").splitlines()
    return {entry["MESSAGE"]: entry["PRIORITY"] for entry in map(json.loads, lines)}


def test_the_running_service_exposes_little(running: Service) -> None:
    shown = running.system.run("systemd-analyze", "security", f"--threshold={EXPOSURE}", "--no-pager", UNIT)
    assert "Overall exposure level" in shown


def test_any_user_can_ask_for_its_status(running: Service) -> None:
    running.heard("edge/v1/porch/results/door")
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    [said] = running.system.run(*nobody, EDGE_INFER, "status", "--json").splitlines()
    assert json.loads(said)["device"] == "porch"


def test_several_daemons_run_beside_each_other(running: Service) -> None:
    running.configure(name="yard", device="yard")
    running.system.run(EDGE_INFER, "install", "--instance", "yard")
    try:
        running.heard("edge/v1/yard/results/door")
        running.heard("edge/v1/porch/results/door")
        owners = running.system.run(
            "stat", "--format=%u", "/var/lib/private/edge-infer", "/var/lib/private/edge-infer-yard"
        )
        assert len(set(owners.split())) == 2
    finally:
        running.system.run(EDGE_INFER, "uninstall", "--instance", "yard", "--purge")
    assert not running.system.path("/var/lib/private/edge-infer-yard").exists()
    assert not running.system.path("/etc/edge-infer/yard.yaml").exists()
    assert running.is_active()


def test_uninstall_stops_it_and_leaves_configuration_and_state(running: Service) -> None:
    running.system.run(EDGE_INFER, "uninstall")
    assert running.show("LoadState") == "not-found"
    assert not list(running.system.path("/etc/systemd/system").rglob("*edge-infer*"))
    assert running.system.path("/etc/edge-infer/config.yaml").exists()
    assert running.system.path("/var/lib/private/edge-infer").exists()
    assert "not there" in running.system.run(EDGE_INFER, "uninstall")
