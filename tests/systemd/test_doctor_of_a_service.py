"""What `edge-infer doctor` says of the service on a system that runs systemd."""

import json
from typing import Any

import pytest
from booted import EDGE_INFER, Booted
from service import UNIT, Service
from waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(booted: Booted) -> Service:
    return Service(booted)


def doctor(service: Service, *, fails: bool = False) -> dict[str, dict[str, Any]]:
    said = service.system.run(EDGE_INFER, "doctor", "--json", fails=fails)
    return {finding["what"]: finding for finding in map(json.loads, said.splitlines())}


def test_a_service_that_runs_is_in_order(service: Service) -> None:
    service.running()
    until(lambda: doctor(service)["daemon"]["level"] == "ok", 40.0, "the daemon being well")
    found = doctor(service)
    wanted = ["configuration", "runtime", "broker", "broker rights", "daemon", "source of door", "model of door"]
    assert {what: found[what]["level"] for what in wanted} == dict.fromkeys(wanted, "ok")
    assert found["service"]["detail"].startswith("active (running)")
    assert "it lies on overlay" in found["disk"]["detail"], "as the root of this container does"
    assert "device id" not in found


def test_a_service_that_gave_up_is_told_with_the_reason(service: Service) -> None:
    service.running()
    service.configure(more="nonsense: true\n")
    service.system.run("systemctl", "restart", UNIT, fails=True)
    found = doctor(service, fails=True)
    assert found["service"]["level"] == "fail"
    assert "exit code 78" in found["service"]["detail"]
    assert "unknown key 'nonsense'" in found["configuration"]["detail"]
    assert found["service"]["command"] == f"journalctl -u {UNIT} -n 50 --no-pager"
