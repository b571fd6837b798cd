"""What docs/events.md shows is so: keys, messages, templates for Home Assistant, queries."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any, get_args

import jinja2
import msgspec
import pytest
import yaml

from edge_infer.analyse.settings import EventSettings, KeepSettings, LineSettings, SmoothSettings, ZoneSettings
from edge_infer.collector.arrivals import Row, Rows
from edge_infer.collector.database import open_database
from edge_infer.types.events import Event, EventKind
from edge_infer.wire.events import WireEvent, event_to_wire
from edge_infer.wire.topics import Kind

PAGE = (Path(__file__).resolve().parents[1] / "docs/events.md").read_text()

EVENT: dict[str, Any] = {
    "id": "a",
    "phase": "start",
    "kind": "zone",
    "label": "person",
    "where": "lawn",
    "captured_at": 1.0,
    "captured_ns": 1,
    "started_at": 1.0,
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("struct", [EventSettings, ZoneSettings, LineSettings, SmoothSettings, KeepSettings, WireEvent])
def test_every_key_is_explained(struct: type[msgspec.Struct]) -> None:
    for name in struct.__struct_fields__:
        assert re.search(rf"\b{name}\b", PAGE), f"{struct.__name__}.{name}"


def test_every_kind_of_event_is_explained() -> None:
    for kind in get_args(EventKind):
        assert kind in PAGE


def test_the_message_is_one() -> None:
    (text,) = blocks("json")
    event = msgspec.json.decode(text, type=WireEvent)
    assert msgspec.json.decode(msgspec.json.encode(event)) == json.loads(text)


def rendered(template: str, said: object) -> str:
    """As Home Assistant renders it."""
    trigger = {"payload_json": said}
    return jinja2.Environment().from_string(template).render(value_json=said, trigger=trigger)


def envelope(**event: Any) -> dict[str, Any]:
    found = event_to_wire(Event(**{**EVENT, **event}))
    return {"results": [msgspec.to_builtins(found)]}


def test_home_assistant_reads_events() -> None:
    (text,) = blocks("yml")
    said = yaml.safe_load(text)
    (automation,) = said["automation"]
    trigger = automation["triggers"][0]
    found = [
        rendered(trigger["value_template"], envelope(**event)) == trigger["payload"]
        for event in ({}, {"phase": "end"}, {"where": "bench"}, {"kind": "object", "where": ""})
    ]
    assert found == [True, False, False, False]
    assert rendered(automation["actions"][0]["data"]["message"], envelope()) == "person on the lawn"
    sensor = next(item["binary_sensor"] for item in said["mqtt"] if "binary_sensor" in item)
    for places, shown in ({}, "OFF"), ({"lawn": {"dog": 2}}, "OFF"), ({"lawn": {"person": 1}}, "ON"):
        assert rendered(sensor["value_template"], {"places": places}) == shown


def test_the_query_finds_the_ends_in_a_database(tmp_path: Path) -> None:
    (query,) = blocks("sql")
    database = open_database(str(tmp_path / "collected.db"))
    told = [event_to_wire(Event(**{**EVENT, "phase": phase, "duration_s": 1.5})) for phase in ("start", "end")]
    stored = [Row(event.time, event.mono_ns, msgspec.json.encode(event)) for event in told]
    database.store([Rows(Kind.EVENT, "porch", 1, "b", 1, "yard", "synced", stored)], 3.0)
    database.close()
    connection = sqlite3.connect(tmp_path / "collected.db")
    assert connection.execute(query).fetchall() == [(1.0, "person", 1.5)]
    connection.close()
