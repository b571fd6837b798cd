"""What docs/subscribers.md tells its readers to type gives what it shows; its messages are those of devices."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from broker import Mosquitto, Subscriber
from subscribers import DOCS, MESSAGES, START_S, TALKATIVE, blocks, is_complete, kind_of, needs, porch, with_a_gap, yard
from waiting import until

from edge_infer.deliver import accounts
from edge_infer.deliver import publisher as publisher_module
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.wire import payloads as p

MESSAGES_SHOWN = [(document, text) for document in ("subscribers.md", "wire.md") for text in blocks("json", document)]


def examples() -> list[tuple[str, list[str]]]:
    """Each line to type, and what the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


EXAMPLES = examples()


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker with the devices that the page speaks of."""
    needs("mosquitto_sub", "mosquitto_rr", "jq")
    folder = tmp_path_factory.mktemp("devices")
    with Mosquitto(folder) as broker, porch(folder / "porch", broker), yard(folder / "yard", broker):
        yield broker


def typed(line: str, shown: list[str], broker: Mosquitto, folder: Path) -> None:
    """Type a line of the page into a shell, and wait until it has printed what is shown, or for its end."""
    command = line.replace("-h broker.local", f"-h 127.0.0.1 -p {broker.port}")
    assert command != line, f"the line names no broker: {line}"
    output, wanted = folder / "output", [form(expected) for expected in shown]

    def is_printed() -> bool:
        forms = [form(real) for real in output.read_text().split("\n")[:-1]]  # the last one may not be whole
        return all(expected in forms for expected in wanted)

    with output.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=folder, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        until(lambda: process.poll() is not None or (shown and is_printed()), START_S, f"{shown} of {command}")
        assert process.poll() in (None, 0)
        assert is_printed(), f"{command}\nshows {shown}\nprints {output.read_text()}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10.0)


def shape(value: Any) -> Any:
    """What kinds of values a message is made of; of a list, its first."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def form(line: str) -> tuple[str, Any]:
    """A line of output without what differs each time: the text before its JSON with `0` for numbers, and its shape."""
    start = re.search(r"[{\[]", line)
    text, said = (line[: start.start()], json.loads(line[start.start() :])) if start else (line, None)
    return re.sub(r"\d+(?= bytes)", "0", text), shape(said)


@pytest.mark.parametrize(("line", "shown"), EXAMPLES, ids=[f"line{number}" for number in range(len(EXAMPLES))])
def test_each_line_gives_what_the_page_shows(devices: Mosquitto, tmp_path: Path, line: str, shown: list[str]) -> None:
    typed(line, shown, devices, tmp_path)
    if "door.jpg" in line:
        assert (tmp_path / "door.jpg").read_bytes().startswith(b"\xff\xd8")


def test_both_kinds_of_envelope_are_on_the_wire_of_the_examples(devices: Mosquitto) -> None:
    with Subscriber(devices.port, "edge/v1/+/results/+") as heard:
        until(lambda: any(one.payload[:1] == b"x" for one in heard.on("/gate")), what="a compressed envelope")
        until(lambda: any(one.payload[:1] == b"{" for one in heard.on("/door")), what="one that is not")


@pytest.mark.parametrize(("document", "text"), MESSAGES_SHOWN, ids=lambda value: value[:40])
def test_each_message_is_one_that_a_device_could_send(document: str, text: str) -> None:
    assert is_complete(json.loads(text)), f"{document}: {kind_of(json.loads(text))} has other keys"


def test_a_message_with_an_unknown_key_would_be_noticed() -> None:
    message = json.loads(blocks("json")[0])
    assert is_complete(message)
    assert not is_complete(message | {"colour": "red"})


def test_every_kind_of_message_and_each_of_its_keys_is_documented() -> None:
    wire = (DOCS / "wire.md").read_text()
    for kind in [*MESSAGES.values(), p.StatusMessage, p.OutboxHealth, p.Gap]:
        struct = getattr(kind, "__origin__", kind)
        for field in struct.__struct_fields__:
            shown = wire + "".join(blocks("json"))
            assert re.search(rf"\b{field}\b", shown), f"{struct.__name__}.{field} is not in the documents"


def test_every_reason_of_a_gap_is_documented() -> None:
    wire = (DOCS / "wire.md").read_text()
    reasons = [accounts.FULL, accounts.TOO_LARGE, accounts.TOO_OLD, accounts.NO_DISK]
    for reason in [*reasons, accounts.DAMAGED, accounts.DROPPED, accounts.POWER]:
        assert f"`{reason}`" in wire


def test_the_history_of_health_travels_as_wire_md_says(
    tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "HISTORY_S", 0.0)
    shown = next(json.loads(text) for text in blocks("json") if "edge-infer/health@1" in text)
    with MqttPublisher(mosquitto.url, device="porch", state_dir=tmp_path) as out:
        out.set_health(msgspec.convert(shown, p.Health), expiry_s=60)
    until(lambda: subscriber.on("/results/_health"), what="the record")
    envelope = msgspec.json.decode(subscriber.on("/results/_health")[0].payload, type=p.Envelope[p.Health])
    assert envelope.first_seq == 1
    assert json.loads(msgspec.json.encode(envelope.results[0])) == shown


def test_the_python_subscriber_counts_what_came_and_what_is_given_up(tmp_path: Path) -> None:
    (program,) = blocks("python")
    output = tmp_path / "output"
    with Mosquitto(tmp_path, TALKATIVE) as broker, output.open("wb") as file:
        script = program.replace('"broker.local", 1883', f'"127.0.0.1", {broker.port}')
        ran = subprocess.Popen([sys.executable, "-u", "-c", script], stdout=file, stderr=subprocess.STDOUT)
        try:
            until(lambda: "Sending SUBACK" in (tmp_path / "mosquitto.log").read_text(), START_S, "the subscription")
            counts = with_a_gap(tmp_path / "state", broker, "yard")
            until(lambda: "numbers=" in output.read_text(), what="the count")
        finally:
            ran.terminate()
            ran.wait(10.0)
    assert counts.evicted > 0
    lines = output.read_text().splitlines()
    assert lines[-1] == f"yard 1 numbers={counts.last_seq} rows={counts.acknowledged} held=0 missing=0"
    assert len(lines) - 1 == counts.acknowledged == counts.last_seq - counts.evicted


def test_the_python_subscriber_tells_what_is_missing(tmp_path: Path) -> None:
    said = [
        ("results/gate", {"epoch": 1, "first_seq": 1, "results": [{}, {}]}),
        ("results/gate", {"epoch": 1, "first_seq": 2, "results": [{}]}),
        ("gaps", {"gaps": [{"epoch": 1, "first": 2, "last": 4}]}),
        ("events/gate", {"epoch": 1, "first_seq": 6, "results": [{}]}),
        ("status", {"state": "offline", "epoch": 1, "last_seq": 9, "oldest": [1, 9]}),
    ]
    names: dict[str, Any] = {"__name__": "page"}
    program = blocks("python")[0].split("client = ")[0]
    exec(compile(program, "subscribers.md", "exec"), names)
    printed: list[str] = []
    names["print"] = lambda *parts, **_: printed.append(" ".join(map(str, parts)))
    for topic, payload in said:
        message = SimpleNamespace(topic=f"edge/v1/yard/{topic}", payload=json.dumps(payload).encode(), retain=False)
        names["read"](None, None, message)
    assert printed == ["yard 1 numbers=9 rows=3 held=1 missing=3"]
