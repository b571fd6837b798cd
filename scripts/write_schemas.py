"""Writes the JSON Schema of each message into docs/schemas: `scripts/schemas`."""

import json
from pathlib import Path
from typing import Any

import msgspec

from edge_infer.wire import payloads as p
from edge_infer.wire.events import WireEvent
from edge_infer.wire.result_payloads import WireResult

FOLDER = Path(__file__).resolve().parents[1] / "docs/schemas"
MESSAGES: dict[str, Any] = {
    "results": p.Envelope[WireResult],
    "events": p.Envelope[WireEvent],
    "latest": p.Latest[WireResult],
    "gaps": p.Gaps,
    "ack": p.Ack,
    "collector": p.CollectorStatus,
    "status": p.StatusMessage,
    "info": p.Info,
    "health": p.Health,
    "command": p.Command,
    "response": p.Response,
}


def files() -> dict[str, str]:
    """Name and content of each file."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}  # Source: msgspec documentation, JSON Schema
    return {
        f"{name}.json": json.dumps(draft | _ordered(msgspec.json.schema(type_)), indent=2) + "\n"
        for name, type_ in MESSAGES.items()
    }


def _ordered(schema: Any) -> Any:
    """The same with null last among the kinds of a value: msgspec 0.20 puts it first, 0.22 last."""
    if isinstance(schema, list):
        return [_ordered(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    ordered = {key: _ordered(value) for key, value in schema.items()}
    if "anyOf" in ordered:
        ordered["anyOf"].sort(key=lambda kind: kind.get("type") == "null")
    return ordered


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (FOLDER / name).write_text(content)
