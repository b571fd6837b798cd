"""What a plug-in says about its source of frames (docs/plugins.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:  # a configuration can be read where numpy is damaged
    from edge_infer.sources.source import BaseSource


class PluggedSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="..."):
    """Settings of a source that another package brings: a subclass, with the plug-in's name as its tag."""


@dataclass(frozen=True)
class SourceKind:
    """One kind of source.

    Attributes:
        settings: what a configuration may say of it; a field `uri` takes what stands behind `NAME:` in an address
        open: the opened source for such settings and a name, which is "" where nobody has given one
    """

    settings: type[PluggedSource]
    open: "Callable[[Any, str], BaseSource]"
