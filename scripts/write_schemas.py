"""Writes the JSON Schema of each message into docs/schemas: `scripts/schemas`."""

import json
from pathlib import Path
from typing import Any

import msgspec

from edge_infer.wire import payloads as p

FOLDER = Path(__file__).resolve().parents[1] / "docs/schemas"
MESSAGES: dict[str, Any] = {
    "results": p.Envelope[p.WireResult],
    "latest": p.Latest[p.WireResult],
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
        f"{name}.json": json.dumps(draft | msgspec.json.schema(type_), indent=2) + "\n"
        for name, type_ in MESSAGES.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (FOLDER / name).write_text(content)
