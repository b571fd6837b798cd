"""The Node-RED flow of docs/subscribers.md: its parts fit, its function counts, and Node-RED runs it."""

import json
import shutil
import subprocess
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from broker import Mosquitto, Subscriber
from subscribers import DOCS, TALKATIVE, a_face, needs, with_a_gap
from waiting import until

from edge_infer.tools.local_broker import free_port
from edge_infer.wire.payloads import Envelope, Gap, Gaps, StatusMessage
from edge_infer.wire.result_payloads import WireResult
from edge_infer.wire.results import to_wire

FLOW: list[dict[str, Any]] = json.loads((DOCS / "node-red-flow.json").read_text())
NODE_RED = "node-red@4.1"  # 5 needs Node.js 22
INSTALL_S = 300.0
START_S = 60.0
SETTINGS = "module.exports = {uiHost: '127.0.0.1', credentialSecret: false, telemetry: {enabled: false}}\n"
# Calls the function of the flow with each line of stdin, (topic, payload as base64); prints what it gives.
CALLER = """
const zlib = require("zlib"), kept = {};
const context = { get: (key) => kept[key], set: (key, value) => { kept[key] = value; } };
const count = new Function("msg", "context", "zlib", JSON.parse(process.argv[1]));
for (const line of require("fs").readFileSync(0, "utf8").trim().split("\\n")) {
    const [topic, payload, retain] = JSON.parse(line);
    console.log(JSON.stringify(count({ topic, payload: Buffer.from(payload, "base64"), retain }, context, zlib)));
}
"""


def envelope(first: int, results: int) -> bytes:
    face = to_wire(a_face())
    return msgspec.json.encode(
        Envelope[WireResult](
            device="yard", epoch=1, boot="b", first_seq=first, clock="synced", results=[face] * results
        )
    )


def called(*messages: tuple[str, bytes, bool]) -> list[Any]:
    """What the flow's function gives for each message."""
    needs("node")
    (function,) = (node["func"] for node in FLOW if node["type"] == "function")
    lines = [msgspec.json.encode((f"edge/v1/yard/{topic}", payload, retain)) for topic, payload, retain in messages]
    ran = subprocess.run(
        ["node", "-e", CALLER, json.dumps(function)], input=b"\n".join(lines), capture_output=True, timeout=30
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_nodes_of_the_flow_lead_to_each_other() -> None:
    nodes = {node["id"]: node for node in FLOW}
    assert len(nodes) == len(FLOW)
    (broker,) = (node["id"] for node in FLOW if node["type"] == "mqtt-broker")
    (tab,) = (node["id"] for node in FLOW if node["type"] == "tab")
    for node in FLOW:
        assert node.get("z", tab) == tab
        assert node.get("broker", broker) in (broker, "broker.local")
        assert all(target in nodes for output in node.get("wires", []) for target in output)
    (function,) = (node for node in FLOW if node["type"] == "function")
    assert len(function["wires"]) == function["outputs"]
    inputs = [node for node in FLOW if node["type"] == "mqtt in"]
    assert all(
        node["datatype"] == "buffer" and not node["rap"] and node["wires"] == [["edge-count"]] for node in inputs
    )


def test_the_function_of_the_flow_counts() -> None:
    gaps = Gaps(device="yard", boot="b", gaps=(Gap(epoch=1, first=2, last=4, reason="outbox full"),))
    bye = StatusMessage(device="yard", state="offline", time=1.0, epoch=1, boot="b", last_seq=9, oldest=(1, 9))
    given = called(
        ("status", msgspec.json.encode(bye), True),
        ("results/gate", envelope(1, 2), False),
        ("results/gate", zlib.compress(envelope(2, 1)), False),
        ("results/gate", zlib.compress(envelope(6, 1)), False),
        ("gaps", msgspec.json.encode(gaps), False),
        ("status", msgspec.json.encode(bye), False),
    )
    assert given[0] is given[4] is None
    seqs = [[one["payload"]["seq"] for one in objects] for objects, _ in given[1:4]]
    assert seqs == [[1, 2], [], [6]], "what comes twice is given once"
    assert given[1][0][0]["topic"] == "flow/yard/gate"
    assert given[1][0][0]["payload"]["label"] == "face"
    proof = {"device": "yard", "epoch": 1, "numbers": 9, "rows": 3, "in_gaps": 2, "held": 1, "missing": 3}
    assert given[5] == [None, {"topic": "flow/yard/proof", "payload": proof}]


@contextmanager
def node_red(folder: Path) -> Iterator[int]:
    """Node-RED without a flow; the port of its editor."""
    needs("node", "npm")
    (folder / "package.json").write_text("{}")
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    installed = subprocess.run(
        ["npm", "install", *quiet, NODE_RED], cwd=folder, capture_output=True, text=True, timeout=INSTALL_S
    )
    if installed.returncode:
        pytest.skip(f"Node-RED cannot be installed: {installed.stderr[-300:]}")
    (folder / "settings.js").write_text(SETTINGS)
    port, log = free_port(), folder / "node-red.log"
    command = ["node", "node_modules/node-red/red.js", "--userDir", str(folder), "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "flow.json"], cwd=folder, stdout=file, stderr=subprocess.STDOUT)
    try:
        until(lambda: "Started flows" in log.read_text() or process.poll() is not None, START_S, "Node-RED's start")
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(20.0)
        shutil.rmtree(folder / "node_modules")


def imported(port: int, flow: list[dict[str, Any]]) -> None:
    """Import the flow and deploy it, as the editor does."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/flows", json.dumps(flow).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=START_S) as answer:
        assert answer.status == 204


@pytest.mark.slow
@pytest.mark.timeout(INSTALL_S + 120)
def test_node_red_runs_the_flow(tmp_path: Path) -> None:
    folder = tmp_path / "node-red"
    folder.mkdir()
    with node_red(folder) as port, Mosquitto(tmp_path, TALKATIVE) as broker, Subscriber(broker.port, "flow/#") as heard:
        at = {"broker": "127.0.0.1", "port": str(broker.port)}
        imported(port, [node | at if node["type"] == "mqtt-broker" else node for node in FLOW])
        log = tmp_path / "mosquitto.log"
        until(lambda: log.read_text().count("Sending SUBACK") >= 5, START_S, "the flow's four subscriptions and ours")
        counts = with_a_gap(tmp_path / "state", broker, "yard")
        until(lambda: heard.on("/proof"), START_S, f"the proof in {(folder / 'node-red.log').read_text()[-500:]}")
    objects, (proof,) = heard.on("/gate"), heard.on("/proof")
    assert counts.evicted > 0
    assert proof.said == {
        "device": "yard",
        "epoch": 1,
        "numbers": counts.last_seq,
        "rows": counts.acknowledged,
        "in_gaps": counts.evicted,
        "held": 0,
        "missing": 0,
    }
    assert [one.said["seq"] for one in objects] == sorted({one.said["seq"] for one in objects})
    assert len(objects) == counts.acknowledged
    assert objects[0].said["label"] == "face"
