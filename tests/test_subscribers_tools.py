"""What docs/subscribers.md offers for Home Assistant and Telegraf reads real messages."""

import json
import re
import tomllib
from typing import Any

import jinja2
import msgspec
import pytest
import yaml
from broker import Mosquitto, Subscriber
from subscribers import a_face, blocks, porch
from waiting import until

from edge_infer.wire.payloads import Envelope
from edge_infer.wire.result_payloads import WireResult
from edge_infer.wire.results import to_wire


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the device `porch` said last, by topic."""
    folder = tmp_path_factory.mktemp("said")
    with Mosquitto(folder) as broker, Subscriber(broker.port) as heard, porch(folder / "porch", broker):
        ends = ("/latest/door", "/snapshot/door", "/health", "/status")
        until(lambda: all(heard.on(end) for end in ends), 10.0, "this subscriber to hear all of it, too")
        return {one.topic: one.payload for one in heard.heard}


def rendered(template: str, payload: bytes) -> str:
    """As Home Assistant renders it."""
    values = {"value": payload.decode(), "value_json": json.loads(payload)}
    return jinja2.Environment().from_string(template).render(values)


def test_home_assistant_reads_what_a_device_says(said: dict[str, bytes]) -> None:
    (text,) = blocks("yml")
    entities = [(kind, entity) for item in yaml.safe_load(text)["mqtt"] for kind, entity in item.items()]
    assert len({entity["unique_id"] for _, entity in entities}) == len(entities)
    shown = {}
    for kind, entity in entities:
        for available in entity.get("availability", []):
            assert rendered(available["value_template"], said[available["topic"]]) == "online"
        if kind == "image":
            assert said[entity["image_topic"]].startswith(b"\xff\xd8")
            continue
        shown[entity["name"]] = rendered(entity["value_template"], said[entity["state_topic"]])
        attributes = json.loads(said[entity.get("json_attributes_topic", entity["state_topic"])])
        assert isinstance(attributes, dict)
    frame_rate = float(shown.pop("Porch frame rate"))
    assert 0.0 <= frame_rate <= 20.0
    assert shown.pop("Porch") == "ON"
    assert shown in (
        {"Face at the door": "ON", "Faces at the door": "1"},
        {"Face at the door": "OFF", "Faces at the door": "0"},
    )


@pytest.mark.parametrize(("counts", "expected"), [({}, ["OFF", "0"]), ({"face": 2, "dog": 1}, ["ON", "2"])])
def test_home_assistant_counts_the_label(counts: dict[str, int], expected: list[str]) -> None:
    (text,) = blocks("yml")
    entities = [entity for item in yaml.safe_load(text)["mqtt"] for entity in item.values()]
    templates = [e["value_template"] for e in entities if "/latest/" in e.get("state_topic", "")]
    assert [rendered(template, json.dumps({"counts": counts}).encode()) for template in templates] == expected


class Node:
    """A place in a JSON document, as the XPath of Telegraf walks it."""

    def __init__(self, value: Any, name: str = "", parent: "Node | None" = None, before: int = 0) -> None:
        self.value, self.name, self.parent, self.before = value, name, parent, before

    def children(self) -> "list[Node]":
        named = list(self.value.items()) if isinstance(self.value, dict) else [("", v) for v in as_list(self.value)]
        return [Node(value, name, self, number) for number, (name, value) in enumerate(named)]

    def walk(self, path: str) -> "list[Node]":
        """All that a path leads to: names, `*`, `..`, `.`, `*[n]`, `preceding-sibling::*`."""
        found = [self]
        for step in path.strip("/").split("/"):
            found = [node for start in found for node in start.step(step)]
        return found

    def step(self, step: str) -> "list[Node]":
        if step == ".":
            return [self]
        if step == "..":
            return [self.parent] if self.parent else []
        if step == "preceding-sibling::*":
            return self.parent.children()[: self.before] if self.parent else []
        name, index = re.fullmatch(r"([\w*]+)(?:\[(\d+)\])?", step).groups()  # type: ignore[union-attr]
        found = [child for child in self.children() if name in ("*", child.name)]
        return found[int(index) - 1 : int(index)] if index else found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def evaluated(expression: str, node: Node, document: Node) -> Any:
    """The value of an expression of the page: a sum of paths in `number()`, `count()`, `name()`, or one path."""
    if " + " in expression:
        return sum(evaluated(term, node, document) for term in expression.split(" + "))
    if literal := re.fullmatch(r"'(.*)'", expression):
        return literal[1]
    function, path = re.fullmatch(r"(?:(\w+)\()?([^()]+)\)?", expression).groups()  # type: ignore[union-attr]
    assert not (function and path.startswith("/")), f"{expression}: an absolute path in a function begins at the node"
    found = (document if path.startswith("/") else node).walk(path)
    if function == "count":
        return len(found)
    assert len(found) == 1, f"{expression} leads to {len(found)} places"
    return {None: found[0].value, "name": found[0].name, "number": found[0].value}[function]


def metrics(config: dict[str, Any], payload: bytes) -> list[dict[str, Any]]:
    """What Telegraf would make of a message."""
    document = Node(json.loads(payload))
    found = []
    for xpath in config["xpath"]:
        for node in document.walk(xpath["metric_selection"]):
            metric = {"": evaluated(xpath["metric_name"], node, document)}
            metric["time"] = evaluated(xpath["timestamp"], node, document)
            for section in ("tags", "fields_int", "fields"):
                for name, expression in xpath.get(section, {}).items():
                    metric[name] = evaluated(expression, node, document)
                    assert section == "tags" or isinstance(metric[name], int | float), f"{expression} is no number"
            found.append(metric)
    return found


def test_telegraf_makes_a_metric_of_each_object() -> None:
    (text,) = blocks("toml")
    config = tomllib.loads(text)["inputs"]["mqtt_consumer"][0]
    face = to_wire(a_face())
    assert face.detections
    two = msgspec.structs.replace(face, detections=(*face.detections, *face.detections), time=2.0)
    none = msgspec.structs.replace(face, detections=())
    envelope = Envelope[WireResult](
        device="porch", epoch=3, boot="b", first_seq=41, clock="synced", results=[face, none, two]
    )
    found = metrics(config, msgspec.json.encode(envelope))
    assert [(m["seq"], m["object"], m["time"]) for m in found] == [(41, 0, face.time), (43, 0, 2.0), (43, 1, 2.0)]
    assert {(m[""], m["label"], m["epoch"], m["model"]) for m in found} == {("detection", "face", 3, face.model)}
    assert tuple(found[0][corner] for corner in ("x0", "y0", "x1", "y1")) == face.detections[0].box
    assert found[0]["score"] == face.detections[0].score


def test_telegraf_reads_the_health_of_a_device(said: dict[str, bytes]) -> None:
    (text,) = blocks("toml")
    config = tomllib.loads(text)["inputs"]["mqtt_consumer"][1]
    health = json.loads(said["edge/v1/porch/health"])
    pipeline, outbox = metrics(config, said["edge/v1/porch/health"])
    assert (pipeline[""], pipeline["pipeline"], pipeline["time"]) == ("pipeline", "door", health["time"])
    assert pipeline["frames"] == health["pipelines"]["door"]["frames"]
    assert (outbox[""], outbox["rss_bytes"]) == ("outbox", health["rss_bytes"])
    assert outbox["acknowledged"] == health["outbox"]["acknowledged"]


def test_telegraf_subscribes_to_topics_that_are_there(said: dict[str, bytes]) -> None:
    (text,) = blocks("toml")
    for config in tomllib.loads(text)["inputs"]["mqtt_consumer"]:
        (topic,) = config["topics"]
        assert any(re.fullmatch(topic.replace("+", "[^/]+"), real) for real in said)
        (parsed,) = config["topic_parsing"]
        assert parsed["topic"] == topic
        assert len(parsed["tags"].split("/")) == len(topic.split("/"))
