"""One line of the answer: what a model said about one picture or frame."""

from typing import Any, TypeAlias

import msgspec

from edge_infer.types import Result
from edge_infer.wire.results import to_wire

STREAM_ONLY = ("time", "mono_ns", "frame", "media_s")
Row: TypeAlias = dict[str, Any]


def row_of(given: str, result: Result, **where: Any) -> Row:
    """What travels over MQTT, without what only a stream has; `where` it was within the input comes after its name."""
    said = msgspec.to_builtins(to_wire(result))
    return {"input": given} | where | {name: said[name] for name in said if name not in STREAM_ONLY}


def error_row(given: str, error: str, **where: Any) -> Row:
    """In place of an answer."""
    return {"input": given} | where | {"status": "error", "error": error}
