"""What a plug-in says about its sink of results (docs/plugins.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:  # a configuration can be read where numpy is damaged
    from edge_infer.deliver.sink import Sink


class PluggedSink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="..."):
    """Settings of a sink that another package brings: a subclass, with the plug-in's name as its tag."""


@dataclass(frozen=True)
class SinkKind:
    """One kind of sink.

    Attributes:
        settings: what a configuration may say of it
        open: the opened sink for such settings; called again after a failure
    """

    settings: type[PluggedSink]
    open: "Callable[[Any], Sink]"
