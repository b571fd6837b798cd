"""What the unit's sandbox must let through: devices by their groups, the accelerator's processes, full speed."""

import json
import os
import shutil
import stat
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from booted import EDGE_INFER, Booted
from service import START_S, Service
from waiting import until

MODEL = "mobilenet_v1_0.25_128_quant"
UNIT = "edge-infer@tpu.service"
TPU = f"""version: 1
device: {{id: tpu}}
mqtt: {{url: 'mqtt://127.0.0.1', username: porch, password_file: credentials/mqtt.pw}}
pipelines:
  door:
    source: {{kind: still, uri: /opt/clone/models/face-detection/sample.jpg, fps: 20, size: [320, 240]}}
    model: {{path: /opt/tpu/{MODEL}.tflite, delegate: /opt/tpu/libfake_edgetpu.so}}
"""
ROUNDS = 3


@pytest.fixture(scope="module")
def service(booted: Booted) -> Service:
    return Service(booted)


def test_a_device_can_be_opened_by_its_group_and_no_other_can(service: Service) -> None:
    for name, group, opened in (("camera", "video", "yes"), ("card", "disk", "no")):
        node = service.system.path(f"/dev/test-{name}")
        os.mknod(node, stat.S_IFCHR | 0o660, os.makedev(1, 3))  # does what /dev/null does
        node.chmod(0o660)
        service.system.run("chgrp", group, f"/dev/test-{name}")
        said = service.sandboxed("/bin/sh", "-c", f"'if true 3<>/dev/test-{name}; then echo yes; else echo no; fi'")
        assert said.split() == [opened], name


def test_hidden_and_foreign_places_are_out_of_reach(service: Service) -> None:
    service.system.run("install", "-D", "/dev/null", "/home/pi/model.tflite")
    for command in (
        "ls /home/pi",
        "ls /root",
        "touch /etc/x",
        "touch /opt/x",
        "cat /etc/edge-infer/credentials/mqtt.pw",
    ):
        assert service.sandboxed("/bin/sh", "-c", f"'{command} || echo refused'").split() == ["refused"], command


def test_a_hanging_accelerator_is_replaced_within_the_sandbox(
    service: Service, models: Path, fake_edgetpu: str
) -> None:
    folder = service.system.path("/opt/tpu")
    folder.mkdir()
    for file in (fake_edgetpu, models / f"{MODEL}.tflite", models / f"{MODEL}_edgetpu.tflite"):
        shutil.copy(file, folder)
    service.system.path("/etc/edge-infer/tpu.yaml").write_text(TPU)
    fault = service.system.path("/var/lib/private/edge-infer-tpu/fault")
    service.drop_in(UNIT, "[Service]\nEnvironment=FAKE_EDGETPU_FAULT=/var/lib/edge-infer-tpu/fault\n")
    service.system.run(EDGE_INFER, "install", "--instance", "tpu")
    try:
        pid = service.pid(UNIT)
        until(lambda: latest(service)["device"] == "edgetpu", START_S, "results of the accelerator")
        for how in ("hang", "abort"):
            fault.with_suffix(".new").write_text(how)
            fault.with_suffix(".new").rename(fault)
            until(lambda: not fault.exists(), START_S, f"the {how}")
            until(
                lambda: (last := latest(service))["device"] == "edgetpu" and last["status"] == "ok",
                START_S,
                "it is back",
            )
        assert service.pid(UNIT) == pid
    finally:
        print(service.journal(UNIT)[-3000:])
        service.system.run(EDGE_INFER, "uninstall", "--instance", "tpu", "--purge")


def latest(service: Service) -> dict[str, Any]:
    [envelope] = service.heard("edge/v1/tpu/results/door")
    result: dict[str, Any] = envelope["results"][-1]
    return result


@pytest.mark.slow
def test_inference_in_the_sandbox_is_measured_beside_inference_outside(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [EDGE_INFER, "bench", "/opt/clone/models/face-detection", "--seconds=1", "--rounds=1", "--json"]
    inside, outside = [], []
    for _ in range(ROUNDS):
        inside.append(speed(service.sandboxed(*command)))
        outside.append(speed(service.system.run(*command)))
    with capsys.disabled():
        for name in ("bare_fps", "bare_cpu_ms"):
            ratio = median(a[name] / b[name] for a, b in zip(inside, outside, strict=True))
            values = [[one[name] for one in side] for side in (inside, outside)]
            print(f"\n{name} in the sandbox {values[0]}, outside {values[1]}: ratio {ratio:.2f} (median)", end="")
    assert min(one["bare_fps"] for one in inside) > 0


def speed(said: str) -> dict[str, float]:
    models: list[dict[str, float]] = json.loads(said.splitlines()[-1])["models"]
    return models[0]
